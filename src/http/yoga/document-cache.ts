import type { DocumentNode } from 'graphql';
import { LRUCache } from 'lru-cache';

const KIB = 1024;
const MIB = 1024 * KIB;
/** What a parsed document takes in memory, in bytes: for each of its words and signs, measured at 250 to 510. */
const BYTES_A_TOKEN = 512;
/** The same of one without locations, which keeps no tokens: for each character, measured at 10 to 147. */
const BYTES_A_CHARACTER = 160;

/** The most that is kept, of all and of one, in bytes. A document that is larger is parsed each time. */
const DOCUMENTS = { maxSize: 64 * MIB, maxEntrySize: 4 * MIB };

/**
 * The documents that were parsed and validated, by their text, for Yoga, whose own cache keeps any thousand, of which each may
 * take 50 MiB. What cannot be parsed is read again each time.
 */
export function createDocumentCache() {
  const documentCache = new LRUCache<string, DocumentNode>({ ...DOCUMENTS, sizeCalculation: sizeOfDocument });
  return { documentCache, errorCache: { get: () => undefined, set: () => {} } };
}

function sizeOfDocument({ loc }: DocumentNode, text: string): number {
  let size = 2 * text.length + KIB;
  if (!loc) return size + text.length * BYTES_A_CHARACTER;
  for (let token = loc.startToken; token.next && size <= DOCUMENTS.maxEntrySize; token = token.next) size += BYTES_A_TOKEN;
  return size;
}
