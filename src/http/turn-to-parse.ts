import { giveBack } from '../graphql/pace.ts';

/** In characters. What is not longer is parsed at once. */
const LONG = 16 * 1024;

/**
 * Has long texts parsed one after the other, with the event loop given back between them: of those that come together each takes
 * up to a tenth of a second, with its document. undefined: there is nothing to wait for.
 */
export function turnToParse({ length }: { length: number }): Promise<void> | undefined {
  return length > LONG ? giveBack() : undefined;
}
