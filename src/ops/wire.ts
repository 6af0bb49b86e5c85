import { unreadable } from './readers.ts';

/** Parameters by name; one that was given twice, with something in it, is an array. */
export type Parameters = ReadonlyMap<string, string | string[]>;

/** What a request says, in the three places where it can say it. */
export interface Wire {
  json?: object;
  form?: Parameters;
  query: Parameters;
}

/** No client nests deeper than five levels. */
const MAX_DEPTH = 32;
/** No op has more than twenty. */
const MAX_PARAMETERS = 1_000;

/**
 * Reads a request.
 * @param query what comes after the `?`, in ASCII, as requests have it
 * @throws OpError BADPARA: broken JSON, UTF-8 or percent-encoding, JSON that is no object
 */
export function readWire(query: string, contentType: string, body: Buffer): Wire {
  const wire: Wire = { query: readParameters(query) };
  const text = decodeUtf8(body);
  const start = text.search(/\S/);
  if (start < 0) return wire;
  // Clients send JSON as text/plain, or as the form that curl makes of it.
  if (text[start] === '{' || text[start] === '[' || /json/i.test(contentType)) return { ...wire, json: readJson(text) };
  if (/^multipart\//i.test(contentType)) unreadable();
  return { ...wire, form: readParameters(text.trim()) };
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return unreadable();
  }
}

function readJson(text: string): object {
  if (deeperThan(text, MAX_DEPTH)) unreadable();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    unreadable();
  }
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : unreadable();
}

/** Whether brackets outside of strings nest deeper. Before the parser sees it, for that takes memory by the level. */
function deeperThan(json: string, limit: number): boolean {
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const char = json[at];
    if (char === '"') {
      at++;
      while (at < json.length && json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
    } else if (char === '{' || char === '[') {
      if (++depth > limit) return true;
    } else if (char === '}' || char === ']') depth--;
  }
  return false;
}

/** Stricter than URLSearchParams, which lets broken encodings through as they are. */
function readParameters(text: string): Parameters {
  const parameters = new Map<string, string | string[]>();
  if (text === '') return parameters;
  const pairs = text.split('&', MAX_PARAMETERS + 1);
  if (pairs.length > MAX_PARAMETERS) unreadable();
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    const value = equals < 0 ? '' : decodePercent(pair.slice(equals + 1));
    if (value === '') continue;
    const name = decodePercent(pair.slice(0, equals));
    const before = parameters.get(name);
    parameters.set(name, before === undefined ? value : [before, value].flat());
  }
  return parameters;
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return unreadable();
  }
}
