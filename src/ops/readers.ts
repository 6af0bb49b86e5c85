import { MAX_ADDRESSES } from '../groups/input/member-input.ts';
import { resolutionOf } from '../model/call-settings.ts';
import type { OpCode } from './codes.ts';

/**
 * Reads one value of the wire: a JSON value, or a string of a form. None is ever empty.
 * @throws Unreadable
 */
export type Reader<T> = (value: unknown) => T;

/** What is wrong with a value, as the end of a sentence; `find` in fields.ts knows the parameter's name. */
export class Unreadable extends Error {
  override name = 'Unreadable';
  readonly code: OpCode;
  constructor(problem: string, code: OpCode = 'BADPARA') {
    super(problem);
    this.code = code;
  }
}

export function unreadable(problem: string): never {
  throw new Unreadable(problem);
}

export const text: Reader<string> = (value) => (typeof value === 'string' ? value : unreadable('must be a string'));

const toInteger = (value: unknown): number | undefined => {
  const number = typeof value === 'string' && /^\s*-?\d{1,19}\s*$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) ? (number as number) : undefined;
};

const toHexInteger = (value: unknown): number | undefined => {
  const hex = typeof value === 'string' ? /^\s*0x([0-9a-f]{1,16})\s*$/i.exec(value)?.[1] : undefined;
  return toInteger(hex === undefined ? value : Number.parseInt(hex, 16));
};

/** A whole number below 2⁵³, also in decimal digits. */
export const integer: Reader<number> = (value) => toInteger(value) ?? unreadable('must be a whole number below 2⁵³');

/** A whole number, also like "0x20". */
export const hexInteger: Reader<number> = (value) =>
  toHexInteger(value) ?? unreadable('must be a whole number below 2⁵³, or one like "0x20"');

/** A bitmask: a whole number from 0, also like "0x20". */
export const bits: Reader<number> = (value) => {
  const number = toHexInteger(value) ?? -1;
  return number >= 0 ? number : unreadable('must be a whole number from 0 to below 2⁵³, or one like "0x20"');
};

const BOOLEANS = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

/** true and false, 1 and 0, also as strings. */
export const boolean: Reader<boolean> = (value) => {
  const found = typeof value === 'object' ? undefined : BOOLEANS.get(String(value).trim().toLowerCase());
  return found ?? unreadable('must be true or false, or 1 or 0');
};

/** Clients count backwards from past times: below 0 is 0. */
export const seconds: Reader<number> = (value) => Math.max(0, integer(value));

export const level: Reader<0 | 1 | 2> = (value) => {
  const number = toInteger(value);
  return number === 0 || number === 1 || number === 2 ? number : unreadable('must be 0, 1 or 2');
};

export const resolution = (value: unknown) =>
  resolutionOf(integer(value)) ?? unreadable('must be one of the resolutions 0 to 5, 8, 9 and 10');

/** Call settings in one word: the resolution above 24 bits of flags; −1 leaves both alone. */
export const packedCall = (value: unknown) => {
  if (toInteger(value) === -1) return {};
  const word = bits(value);
  return word < 2 ** 32 ? { flags: word & 0xffffff, resolution: resolution(word >>> 24) } : unreadable('must have 32 bits');
};

/** An address: a string, or a whole number, which is the address of these digits. */
export const address: Reader<string> = (value) =>
  typeof value === 'string'
    ? value
    : Number.isSafeInteger(value)
      ? String(value)
      : unreadable('must be a string or a whole number');

/**
 * Addresses, each once: between commas, or in a JSON array. Blanks around them and empty items go. At most 100,000, else
 * TOOLARGE.
 */
export const addresses: Reader<string[]> = (value) => {
  const found = new Set<string>();
  const add = (item: string) => {
    const trimmed = item.trim();
    if (trimmed) found.add(trimmed);
    if (found.size > MAX_ADDRESSES) throw new Unreadable('names more than 100,000 addresses', 'TOOLARGE');
  };
  if (Array.isArray(value)) {
    for (const item of value) add(address(item));
    return [...found];
  }
  const list = address(value);
  for (let from = 0; from <= list.length; ) {
    const comma = list.indexOf(',', from);
    const end = comma < 0 ? list.length : comma;
    add(list.slice(from, end));
    from = end + 1;
  }
  return [...found];
};
