import type { DocumentNode } from 'graphql';
import { LRUCache } from 'lru-cache';

const KIB = 1024;
const MIB = 1024 * KIB;
/** What a parsed document takes in memory for each of its words and signs, in bytes; measured at 250 to 510. */
const BYTES_A_TOKEN = 512;

/** The most that is kept, of all and of one, in bytes. A document that is larger is parsed each time. */
const DOCUMENTS = { maxSize: 64 * MIB, maxEntrySize: 4 * MIB };
const ERRORS = { maxSize: MIB, maxEntrySize: 16 * KIB };

export interface DocumentCaches {
  documents: LRUCache<string, DocumentNode>;
  /** Of documents that cannot be parsed. */
  errors: LRUCache<string, Error>;
}

/** What was parsed, by its text. Yoga's own caches count documents, of which each may take 50 MiB. */
export function createDocumentCaches(): DocumentCaches {
  return {
    documents: new LRUCache({ ...DOCUMENTS, sizeCalculation: sizeOfDocument }),
    errors: new LRUCache({ ...ERRORS, sizeCalculation: (_, text) => 2 * text.length + KIB }),
  };
}

function sizeOfDocument({ loc }: DocumentNode, text: string): number {
  let size = 2 * text.length + KIB;
  for (let token = loc?.startToken; token && size <= DOCUMENTS.maxEntrySize; token = token.next ?? undefined)
    size += BYTES_A_TOKEN;
  return size;
}
