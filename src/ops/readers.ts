import { MAX_ADDRESSES } from '../groups/input/member-input.ts';
import { resolutionOf } from '../model/call-settings.ts';
import { OpError } from './codes.ts';

/**
 * Reads one value of the wire: a JSON value, a string of a form, or the array of strings that a parameter given twice
 * comes as. None is ever empty.
 * @throws OpError BADPARA
 */
export type Reader<T> = (value: unknown) => T;

export function unreadable(): never {
  throw new OpError('BADPARA');
}

export const text: Reader<string> = (value) => (typeof value === 'string' ? value : unreadable());

/** A whole number below 2⁵³, also in decimal digits. */
export const integer: Reader<number> = (value) => {
  const number = typeof value === 'string' && /^\s*-?\d{1,19}\s*$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) ? (number as number) : unreadable();
};

/** A whole number, also like "0x20". */
export const hexInteger: Reader<number> = (value) => {
  const hex = typeof value === 'string' ? /^\s*0x([0-9a-f]{1,16})\s*$/i.exec(value)?.[1] : undefined;
  return integer(hex === undefined ? value : Number.parseInt(hex, 16));
};

/** A bitmask: a whole number from 0, also like "0x20". */
export const bits: Reader<number> = (value) => {
  const number = hexInteger(value);
  return number >= 0 ? number : unreadable();
};

const BOOLEANS = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

/** true and false, 1 and 0, also as strings. */
export const boolean: Reader<boolean> = (value) => {
  if (typeof value === 'object') return unreadable();
  return BOOLEANS.get(String(value).trim().toLowerCase()) ?? unreadable();
};

/** Clients count backwards from past times: below 0 is 0. */
export const seconds: Reader<number> = (value) => Math.max(0, integer(value));

export const level: Reader<0 | 1 | 2> = (value) => {
  const number = integer(value);
  return number === 0 || number === 1 || number === 2 ? number : unreadable();
};

export const resolution = (value: unknown) => resolutionOf(integer(value)) ?? unreadable();

/** Call settings in one word: the resolution above 24 bits of flags; −1 leaves both alone. */
export const packedCall = (value: unknown) => {
  if (value === -1 || String(value).trim() === '-1') return {};
  const word = bits(value);
  return word < 2 ** 32 ? { flags: word & 0xffffff, resolution: resolution(word >>> 24) } : unreadable();
};

/** Addresses between commas, each once; blanks around them and empty items go. At most 100,000, else TOOLARGE. */
export const addresses: Reader<string[]> = (value) => {
  const list = text(value);
  const found = new Set<string>();
  for (let from = 0; from <= list.length; ) {
    const comma = list.indexOf(',', from);
    const end = comma < 0 ? list.length : comma;
    const address = list.slice(from, end).trim();
    if (address) found.add(address);
    if (found.size > MAX_ADDRESSES) throw new OpError('TOOLARGE');
    from = end + 1;
  }
  return [...found];
};
