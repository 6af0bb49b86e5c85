import { hasMoreValues } from '../model/json.ts';
import { OpError } from './codes.ts';

/** A value that stood in a form or in the query: never empty. */
export interface FlatValue {
  text: string;
  /** As it stood there, still encoded. */
  raw: string;
}

/** Parameters by name, with each value that was given. */
export type Parameters = ReadonlyMap<string, readonly FlatValue[]>;

/** What a request says, in the three places where it can say it. */
export interface Wire {
  json?: object;
  form?: Parameters;
  query: Parameters;
}

/** No client nests deeper than five levels. */
const MAX_DEPTH = 32;
/** An op has at most 100,000 addresses, and the settings of a group. */
const MAX_VALUES = 150_000;
/** No op has more than twenty. */
const MAX_PARAMETERS = 1_000;

function garbled(sentence: string): never {
  throw new OpError('BADPARA', sentence);
}

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
  if (/^multipart\//i.test(contentType)) garbled('A multipart form is not read; send JSON or a plain form.');
  return { ...wire, form: readParameters(text.trim()) };
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return garbled('The body is no valid UTF-8.');
  }
}

function readJson(text: string): object {
  if (deeperThan(text, MAX_DEPTH)) garbled(`The JSON nests more than ${MAX_DEPTH} levels.`);
  if (hasMoreValues(text, MAX_VALUES)) throw new OpError('TOOLARGE', `The JSON has more than ${MAX_VALUES} values.`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message would quote the body.
    garbled('The body is no valid JSON.');
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return garbled('The JSON is no object.');
  return value;
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
  const parameters = new Map<string, FlatValue[]>();
  if (text === '') return parameters;
  const pairs = text.split('&', MAX_PARAMETERS + 1);
  if (pairs.length > MAX_PARAMETERS) garbled(`There are more than ${MAX_PARAMETERS} parameters.`);
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    const raw = equals < 0 ? '' : pair.slice(equals + 1);
    if (raw === '') continue;
    const name = decodePercent(pair.slice(0, equals));
    const value = { text: decodePercent(raw), raw };
    const values = parameters.get(name);
    if (values) values.push(value);
    else parameters.set(name, [value]);
  }
  return parameters;
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return garbled('A percent-encoding is broken, or is no UTF-8.');
  }
}

/** Characters of telephone numbers; and addresses of e-mail. */
const PHONE = /^[\d+() ./-]+$/;
const EMAIL = /^[\w.!#$%&'*/=?^`{|}~+-]+@[\w.-]+$/;

/**
 * Whether a plus that was sent unencoded, and so is a blank, was most likely meant: within an e-mail address or a telephone
 * number, or before a number. After a comma that is encoded the plus comes of a standard encoder, which means a blank.
 */
export function hasRawPlus(raw: string): boolean {
  if (!raw.includes('+')) return false;
  const parts = raw.split(/(,|%2c)/i);
  return parts.some((part, index) => {
    const core = part.replace(/^\++|\++$/g, '');
    const within = core.includes('+');
    const before = part.startsWith('+') && !/%/.test(parts[index - 1] ?? '');
    if (!within && !before) return false;
    const meant = decodeURIComponent(core).trim();
    if (within && EMAIL.test(meant)) return true;
    const digits = meant.replace(/\D/g, '').length;
    return PHONE.test(meant) && digits >= 7 && digits <= 15;
  });
}
