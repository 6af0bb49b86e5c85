/** A request of the op endpoint, as clients write it. */
export interface HttpRequest {
  method?: string;
  path?: string;
  query?: Flat | string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
}

export type Flat = Record<string, string | number>;
// biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects to be there
export type Json = Record<string, any>;

/** As a browser writes a form. */
export function flat(parameters: Flat): string {
  return new URLSearchParams(Object.entries(parameters).map(([name, value]) => [name, String(value)])).toString();
}
