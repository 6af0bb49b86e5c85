import type { DocumentNode } from 'graphql';
import { LRUCache } from 'lru-cache';

/** How many documents are kept parsed, and how long they may be: one and all of them, in characters. A character may cost 200 bytes. */
const MOST = 1_024;
const LONGEST = 32 * 1024;
const ALL = 512 * 1024;

/**
 * The documents that were parsed and validated, the latest used first, for Yoga, whose own cache keeps any thousand, however
 * long they are. What cannot be parsed is read again each time.
 */
export function createDocumentCache() {
  const documents = new LRUCache<string, DocumentNode>({
    max: MOST,
    maxSize: ALL,
    maxEntrySize: LONGEST,
    sizeCalculation: (_, text) => text.length || 1,
  });
  return {
    documentCache: {
      get: (text: string) => documents.get(text),
      set: (text: string, document: DocumentNode) => void documents.set(text, document),
    },
    errorCache: { get: () => undefined, set: () => {} },
  };
}
