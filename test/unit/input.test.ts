import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvalidInputError } from '../../src/model/errors.ts';
import { readGid } from '../../src/model/gid.ts';
import { Issues, invalid, MAX_INT } from '../../src/model/issues.ts';
import { addressProblem, codePoints } from '../../src/model/text.ts';
import { BAD_ADDRESSES, GOOD_ADDRESSES } from '../setup/addresses.ts';
import { holds } from '../setup/property.ts';

/** What was noted, as path and message. */
function issuesOf(note: (issues: Issues) => void): (readonly [string, string])[] {
  const issues = new Issues();
  note(issues);
  try {
    issues.settle();
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return error.issues.map(({ path, message }) => [path.join('.'), message] as const);
  }
  return [];
}

const noted = (note: (issues: Issues) => void) => issuesOf(note).length > 0;

describe('an address', () => {
  test.each(Object.entries(GOOD_ADDRESSES))('may be %s', (_, address) => {
    expect(addressProblem(address)).toBeUndefined();
  });

  test.each(Object.entries(BAD_ADDRESSES))('may not have %s', (_, address) => {
    expect(addressProblem(address)).toMatch(/./);
  });

  test('no control character at all, and every other place of Latin-1 inside', () => {
    for (let code = 0; code < 256; code++) {
      const control = code < 0x20 || (code >= 0x7f && code < 0xa0);
      const refused = addressProblem(`a${String.fromCharCode(code)}b`) !== undefined;
      expect([code, refused]).toEqual([code, control || code === 0x2c]);
    }
  });

  test('any text of 1 to 256 characters that has none of what is forbidden', () => {
    const plain = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 300 })
      .map((text) => text.replaceAll(/[\p{Cc},]/gu, 'x').replaceAll(/^\s|\s$/gu, 'y'));
    holds(
      fc.property(plain, (address) => {
        expect(addressProblem(address) === undefined).toBe([...address].length <= 256);
      }),
    );
  });

  test('nothing that has a forbidden character anywhere', () => {
    const forbidden = fc.constantFrom(',', '\0', '\n', '\u007f', '\u009f', '\ud800', '\udc00');
    const part = fc.string({ maxLength: 100 });
    holds(
      fc.property(part, forbidden, part, (before, character, after) => {
        expect(addressProblem(`${before}${character}${after}`)).toMatch(/./);
      }),
    );
  });
});

describe('a gid', () => {
  test.each([
    ['1000', 1000],
    ['1', 1],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('%j', (text, gid) => {
    expect(readGid(text).number).toBe(gid);
  });

  test.each([
    '',
    '0',
    '-1',
    '+1000',
    '01000',
    ' 1000',
    '1000 ',
    '1000\n',
    '1000.0',
    '1e3',
    '0x3e8',
    '١٠٠٠',
    '\uff11000',
    '9007199254740992',
    '9007199254740993',
    '9223372036854775807',
    '9223372036854775808',
    '99999999999999999999',
    'NaN',
    'Infinity',
    'null',
  ])('%j is none', (text) => {
    expect(readGid(text).number).toBe(0);
  });

  test('is read back exactly, and no other text gives it', () => {
    holds(
      fc.property(
        fc.maxSafeNat().filter((gid) => gid > 0),
        (gid) => {
          expect(readGid(String(gid)).number).toBe(gid);
        },
      ),
    );
    holds(
      fc.property(fc.string({ unit: fc.constantFrom(...'0123456789+-. exA') }), (text) => {
        const gid = readGid(text).number;
        if (gid !== 0) expect(String(gid)).toBe(text);
      }),
      5_000,
    );
  });
});

test('code points are counted, not units or what is seen', () => {
  expect(['', 'a', 'é', 'e\u0301', '\u{1f600}', '\u{1f468}\u200d\u{1f469}', 'שלום'].map(codePoints)).toEqual([
    0, 1, 1, 2, 1, 3, 4,
  ]);
  holds(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(codePoints(text)).toBe(Array.from(text).length);
    }),
  );
});

describe('issues', () => {
  test('none: settle does nothing', () => {
    expect(issuesOf(() => {})).toEqual([]);
  });

  test('are thrown together, each with its path as strings', () => {
    const issues = new Issues();
    issues.add(['input', 'members', 0, 'addresses', 3], 'one');
    issues.add(['input'], 'two');
    expect(() => issues.settle()).toThrow(InvalidInputError);
    try {
      issues.settle();
    } catch (error) {
      expect((error as InvalidInputError).issues).toEqual([
        { path: ['input', 'members', '0', 'addresses', '3'], message: 'one' },
        { path: ['input'], message: 'two' },
      ]);
    }
  });

  test('at most 100 are kept, the first ones', () => {
    const all = issuesOf((issues) => {
      for (let index = 0; index < 250; index++) issues.add([index], 'wrong');
    });
    expect(all.map(([path]) => path)).toEqual(Array.from({ length: 100 }, (_, index) => String(index)));
  });

  test('invalid throws one', () => {
    expect(() => invalid(['first', 2], 'is wrong')).toThrow(InvalidInputError);
    expect(() => invalid(['first', 2], 'is wrong')).toThrow(/is wrong/);
  });

  test('noNulls notes null, not what is left out, false, 0 or empty, nor the exceptions', () => {
    const input = { a: null, b: undefined, c: false, d: 0, e: '', f: null };
    expect(issuesOf((issues) => issues.noNulls(input, ['input'], ['f'])).map(([path]) => path)).toEqual(['input.a']);
  });

  test.each<[number | null | undefined, boolean]>([
    [undefined, true],
    [null, true],
    [0, true],
    [MAX_INT, true],
    [-1, false],
    [MAX_INT + 1, false],
    [0.5, false],
    [Number.NaN, false],
    [Number.POSITIVE_INFINITY, false],
  ])('range 0 to 2³¹−1: %s', (value, fine) => {
    expect(noted((issues) => issues.range(value, 0, MAX_INT, ['x']))).toBe(!fine);
  });

  test.each<[string | null | undefined, boolean]>([
    [undefined, true],
    [null, true],
    ['', true],
    ['line\nfeed, comma ', true],
    ['a'.repeat(256), true],
    ['\u{1f600}'.repeat(256), true],
    ['a'.repeat(257), false],
    ['\u{1f600}'.repeat(257), false],
    ['a\0', false],
    ['\ud83d', false],
    ['\ude00\ud83d', false],
  ])('text: %j', (value, fine) => {
    expect(noted((issues) => issues.text(value, ['x']))).toBe(!fine);
  });

  test('a key is 1 to 255 printable ASCII characters', () => {
    const keyIsNoted = (key: string | null | undefined) => noted((issues) => issues.idempotencyKey(key, ['x']));
    for (const key of [undefined, null, ' ', '~', 'k'.repeat(255)]) expect(keyIsNoted(key)).toBe(false);
    for (const key of ['', 'k'.repeat(256), 'k\n', '\u007f', 'é', '\u{1f511}']) expect(keyIsNoted(key)).toBe(true);
  });
});
