import type { Plugin } from 'graphql-yoga';
import { limitExceeded, MAX_DEFINITIONS, MAX_NAMES, MAX_NESTING } from '../../graphql/limits.ts';

interface DocumentSize {
  /** How deep brackets of any kind stand within each other. */
  nesting: number;
  /** Operations and fragments. */
  definitions: number;
  /** Names outside of arguments: fields, aliases, spreads, directives. Arguments may well be long lists. */
  names: number;
}

/** Where a string or block string that begins at `from` ends, in one pass: behind it, or the end of what is broken. */
function endOfString(document: string, from: number): number {
  const block = document.startsWith('"""', from);
  for (let at = from + (block ? 3 : 1); at < document.length; at++) {
    if (document[at] === '\\') at += block && document.startsWith('"""', at + 1) ? 3 : 1;
    else if (block ? document.startsWith('"""', at) : /["\n\r]/.test(document[at] as string)) return at + (block ? 3 : 1);
  }
  return document.length;
}

const COMMENT = /#[^\n\r]*/y;
const WORD = /\w+/y;

/** Where a token that begins at `from` ends; one character, where there is none. */
function endOf(token: RegExp, document: string, from: number): number {
  token.lastIndex = from;
  return token.test(document) ? token.lastIndex : from + 1;
}

/** What parsing and validating a document would cost, found out without either. What is broken is the parser's business. */
export function sizeOf(document: string): DocumentSize {
  const size: DocumentSize = { nesting: 0, definitions: 0, names: 0 };
  let depth = 0;
  let inArguments = 0;
  for (let at = 0; at < document.length; ) {
    const char = document[at] as string;
    if (char === '"') at = endOfString(document, at);
    else if (char === '#') at = endOf(COMMENT, document, at);
    else if ('{(['.includes(char)) {
      if (char === '{' && depth === 0) size.definitions++;
      if (char === '(') inArguments++;
      size.nesting = Math.max(size.nesting, ++depth);
      at++;
    } else if ('})]'.includes(char)) {
      if (char === ')') inArguments--;
      depth--;
      at++;
    } else {
      const end = endOf(WORD, document, at);
      if (inArguments === 0 && /[A-Z_a-z]/.test(char)) size.names++;
      at = end;
    }
  }
  return size;
}

/**
 * Refuses documents that would be costly to parse and validate, before either: both call themselves for what is nested, or
 * spread from fragment to fragment, and compare fields with each other.
 */
export function useDocumentSize(): Plugin {
  return {
    onParse({ params }) {
      const { nesting, definitions, names } = sizeOf(String(params.source));
      const refuse = (limit: string, max: number, what: string) =>
        limitExceeded(limit, max, `The operation ${what}; at most ${max} are allowed`, 400);
      if (nesting > MAX_NESTING) throw refuse('MAX_NESTING', MAX_NESTING, `nests ${nesting} brackets`);
      if (definitions > MAX_DEFINITIONS) throw refuse('MAX_DEFINITIONS', MAX_DEFINITIONS, `has ${definitions} definitions`);
      if (names > MAX_NAMES) throw refuse('MAX_NAMES', MAX_NAMES, `has ${names} fields and other names`);
    },
  };
}
