import { parse } from 'graphql';
import type { Plugin } from 'graphql-yoga';

/** In characters, and in ends of lines. */
const LONG = 32 * 1024;
const MANY_LINES = 500;

/** Whether it takes long to find out in which line something stands: each error of an operation does. */
export function isLong(document: string): boolean {
  return document.length > LONG || [...document.matchAll(/[\n\r]/g)].length > MANY_LINES;
}

/** Errors say where in the document they are, but not in a long one: thousands of fields may fail, and each would count its lines. */
export function useLocations(): Plugin {
  return {
    onParse({ params, setParseFn }) {
      if (!isLong(String(params.source))) return;
      setParseFn((source, options) => parse(source, { ...options, noLocation: true }));
    },
  };
}
