import { Lexer, Source, type Token, TokenKind } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import {
  limitExceeded,
  MAX_ARGUMENT_NAMES,
  MAX_DEFINITIONS,
  MAX_DOCUMENT,
  MAX_NAMES,
  MAX_NESTING,
} from '../../graphql/limits.ts';

/** The most that a document may have, and how that is put to callers. */
const LIMITS = {
  /** Characters. */
  MAX_DOCUMENT: { max: MAX_DOCUMENT, what: 'has too many characters' },
  /** How deep brackets of any kind stand within each other. */
  MAX_NESTING: { max: MAX_NESTING, what: 'nests brackets too deep' },
  /** Operations and fragments. */
  MAX_DEFINITIONS: { max: MAX_DEFINITIONS, what: 'has too many definitions' },
  /** Names outside of arguments: fields, aliases, spreads, directives. */
  MAX_NAMES: { max: MAX_NAMES, what: 'has too many fields and other names' },
  /** Names within arguments and definitions of variables. Strings and numbers are none: lists of them may well be long. */
  MAX_ARGUMENT_NAMES: { max: MAX_ARGUMENT_NAMES, what: 'has too many names in arguments; variables may have more' },
};

type Limit = keyof typeof LIMITS | 'MAX_TOKENS';

/**
 * The limit that a document passes first, found without parsing it. What is broken is the parser's business.
 * @param maxTokens names, values and signs; and lines, since each may be a comment, of which the lexer makes tokens too
 */
export function limitPassedBy(document: string, maxTokens: number): Limit | undefined {
  if (document.length > MAX_DOCUMENT) return 'MAX_DOCUMENT';
  if (hasMoreLines(document, maxTokens)) return 'MAX_TOKENS';
  const lexer = new Lexer(new Source(document));
  let depth = 0;
  let inArguments = 0;
  let definitions = 0;
  let names = 0;
  let argumentNames = 0;
  let tokens = 0;
  try {
    for (let token = unlinked(lexer.advance()); token.kind !== TokenKind.EOF; token = unlinked(lexer.advance())) {
      if (++tokens > maxTokens) return 'MAX_TOKENS';
      switch (token.kind) {
        case TokenKind.BRACE_L:
        case TokenKind.BRACKET_L:
        case TokenKind.PAREN_L:
          if (token.kind === TokenKind.PAREN_L) inArguments++;
          if (token.kind === TokenKind.BRACE_L && depth === 0 && ++definitions > MAX_DEFINITIONS) return 'MAX_DEFINITIONS';
          if (++depth > MAX_NESTING) return 'MAX_NESTING';
          break;
        case TokenKind.BRACE_R:
        case TokenKind.BRACKET_R:
        case TokenKind.PAREN_R:
          if (token.kind === TokenKind.PAREN_R) inArguments--;
          depth--;
          break;
        case TokenKind.NAME:
          if (inArguments === 0 && ++names > MAX_NAMES) return 'MAX_NAMES';
          if (inArguments > 0 && ++argumentNames > MAX_ARGUMENT_NAMES) return 'MAX_ARGUMENT_NAMES';
      }
    }
  } catch {
    // The parser stops at the same place.
  }
  return undefined;
}

function hasMoreLines(document: string, max: number): boolean {
  let lines = 0;
  for (const end of ['\n', '\r']) {
    for (let at = document.indexOf(end); at >= 0; at = document.indexOf(end, at + 1)) if (++lines > max) return true;
  }
  return false;
}

/** A token without the one before it: otherwise the last one read would keep all of them. */
function unlinked(token: Token & { prev: Token | null }): Token {
  token.prev = null;
  return token;
}

/**
 * Refuses documents that would be costly to parse and validate, before either: both call themselves for what is nested, or
 * spread from fragment to fragment.
 * @param passed whether a document was let through before
 */
export function useDocumentSize({ maxTokens }: { maxTokens: number }, passed: (document: string) => boolean): Plugin {
  const limits = { ...LIMITS, MAX_TOKENS: { max: maxTokens, what: 'has too many words, signs or lines' } };
  return {
    onParse({ params }) {
      const document = String(params.source);
      const limit = passed(document) ? undefined : limitPassedBy(document, maxTokens);
      if (!limit) return;
      const { max, what } = limits[limit];
      throw limitExceeded(limit, max, `The operation ${what}; at most ${max} are allowed`, { status: 400 });
    },
  };
}
