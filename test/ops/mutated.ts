/** Requests of the op endpoint, most of them broken somewhere. */
import fc from 'fast-check';
import { flat, type HttpRequest, type Json } from './requests.ts';

const gid = fc.integer({ min: 1_000, max: 1_300 });
const m = fc.constantFrom<unknown>(12, ['ann', 12, ' bob '], 'ann', 'ann,bob', 'bob, cem,,ann', 'cem,dan,eve,fay', '😀,Zoë');
const flag = fc.constantFrom(0, 1, 0x12, '0x2222', 0xfffff, 8);
const bool = fc.constantFrom(true, false, 1, 0, '1', 'false');
const level = fc.constantFrom(0, 1, 2, '1');
const type = fc.constantFrom(0, 0, 0, 7, '9');

const shape = (group: Record<string, fc.Arbitrary<unknown>>) => fc.record(group, { requiredKeys: ['gid'] });
const permissions = fc.record({ send: level, recv: level, pub: level, sub: level, list: level }, { requiredKeys: [] });
const members = fc.record(
  {
    m,
    remove: bool,
    permissions: fc.record({ send: bool, recv: bool, pub: bool, sub: bool, list: bool }, { requiredKeys: [] }),
    admin: fc.record(
      { owner: bool, admin: bool, modify: bool, remove: bool, adduser: bool, remowner: bool },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ['m'] },
);
const settings = {
  gid,
  type,
  members,
  permissions,
  name: fc.constantFrom('G', 'Tëam 🎉', ''),
  flags: flag,
  active: bool,
  validity: fc.record(
    { start: fc.constantFrom(0, -5, 3600), duration: fc.constantFrom(0, 3600, '7200'), expiryext: level },
    { requiredKeys: [] },
  ),
  call: fc.record({ flags: flag, resolution: level, maxdur: level, default: bool }, { requiredKeys: [] }),
};
const uid = fc.constantFrom(0, 1, '2', 3, 4, 99);
const user = fc.record(
  {
    address: fc.constantFrom<unknown>('u1', 'u2', 'u3', 4),
    uid,
    active: bool,
    token: fc.record({ expiry: level, remove: bool }),
  },
  { requiredKeys: ['token'] },
);
const address = fc.constantFrom('u1', 'u*', '*', 'none');
const count = fc.constantFrom(0, 1, '20', 10_000);

/** The recorded shapes: every op as JSON … */
const json: fc.Arbitrary<Json> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('groupadd'), id: count, group: shape(settings) }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constant('groupset'), group: shape(settings) }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constant('groupeditmembers'), group: shape({ gid, type, members }) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('groupdel'), group: shape({ gid }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constantFrom('groupgetmembers', 'getmembers'), group: shape({ gid }), count, after: m }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('groupget', 'groupsget', 'appstats'), group: shape({ gid }), count }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('useradd', 'usertoken', 'userset', 'userdel', 'userget'), user }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('usersget'), address, count, after: address }, { requiredKeys: ['op'] }) },
);
/** … and in the flat style. */
const pairs: fc.Arbitrary<Json> = fc.record(
  {
    ...{
      op: fc.constantFrom(
        ...['groupadd', 'groupset', 'groupset', 'groupeditmembers', 'groupdel', 'getmembers', 'userset', 'userget', 'usersget'],
      ),
      uid,
      start: fc.constantFrom<unknown>(0, 3600, 'undefined'),
      gid,
      m,
      type,
      count,
    },
    ...{ name: fc.constantFrom('G', ''), flag, expiry: fc.constantFrom(0, 90), expiryext: level, active: bool, delete: bool },
    ...{
      sflags: fc.constantFrom(-1, 0, 0x03000001),
      cs: bool,
      cr: bool,
      canpub: bool,
      cansub: bool,
      canlist: bool,
      address: fc.constantFrom('u1', 'u2', 'u*', 'u+1@x.org'),
    },
  },
  { requiredKeys: ['op'] },
);

const WEIRD_JSON = [
  ...['null', 'true', '[]', '{}', '""', '-1', '3', '1e999', '1.5', '9223372036854775808', '"0x"', '"0xff"', '"-1"', '"\\ud800"'],
  ...[
    '"\\u0000"',
    '[1]',
    '{"a":1}',
    '{"toString":1}',
    '"ann,bob"',
    `"${'x'.repeat(300)}"`,
    '['.repeat(40) + ']'.repeat(40),
    'NaN',
    '"',
    '}',
  ],
];
const WEIRD_FLAT = [
  '',
  '%',
  '%00',
  '%ff',
  '%ed%a0%80',
  '-1',
  '0x3',
  '1e9',
  '9'.repeat(25),
  'x'.repeat(300),
  '&gid=1',
  '&m=x&m=y',
  ',,,',
  '=',
  '[]',
  'undefined',
  '+49123456789',
  'a+b@x.org',
];

type Change = (text: string) => string;

const replace = (values: RegExp, weird: string[]) =>
  fc.tuple(fc.nat(), fc.constantFrom(...weird)).map(
    ([place, by]): Change =>
      (text) => {
        const found = [...text.matchAll(values)];
        const one = found[place % (found.length || 1)];
        return one ? text.slice(0, one.index) + by + text.slice(one.index + one[0].length) : text;
      },
  );
const cut = fc.tuple(fc.nat(), fc.nat(12)).map(
  ([place, length]): Change =>
    (text) => {
      const from = place % (text.length + 1);
      return text.slice(0, from) + text.slice(from + length);
    },
);
const repeat = fc.tuple(fc.nat(), fc.nat(30)).map(
  ([place, length]): Change =>
    (text) => {
      const from = place % (text.length + 1);
      return text.slice(0, from + length) + text.slice(from);
    },
);
const insert = fc.tuple(fc.nat(), fc.constantFrom('\0', '"', ',', '}', '{', '[', '&', '%', '=', '\\', '\ud800', '0', 'é')).map(
  ([place, by]): Change =>
    (text) => {
      const from = place % (text.length + 1);
      return text.slice(0, from) + by + text.slice(from);
    },
);
const changes = (values: RegExp, weird: string[]) => {
  const change = fc.oneof({ weight: 4, arbitrary: replace(values, weird) }, cut, repeat, insert);
  const times = (count: number) => fc.array(change, { minLength: count, maxLength: count });
  return fc.oneof({ weight: 2, arbitrary: times(0) }, { weight: 4, arbitrary: times(1) }, times(2), times(4));
};
const flip = fc.tuple(fc.nat(), fc.nat(255));
const flips = fc.oneof(
  { weight: 9, arbitrary: fc.constant<[number, number][]>([]) },
  fc.array(flip, { minLength: 1, maxLength: 3 }),
);

const method = fc.constantFrom('GET', 'POST', 'POST', 'PUT', 'DELETE');
const path = fc.constantFrom('/backend', '/backend/', '/api.php');
const contentType = fc.constantFrom(
  'application/json',
  'application/x-www-form-urlencoded',
  'text/plain',
  'multipart/form-data; boundary=x',
  'nonsense',
);

/** Requests with a token in the place where their style has it. */
export function mutatedOp(token: string): fc.Arbitrary<HttpRequest> {
  const jsonRequest = fc
    .tuple(json, changes(/"[^"]*"|-?\d+|true|false/g, WEIRD_JSON), flips)
    .map(([body, change, at]) => ({ body: flipped(changed(JSON.stringify({ ...body, token }), change), at) }));
  const formRequest = fc
    .tuple(pairs, changes(/(?<==)[^&]*/g, WEIRD_FLAT), fc.boolean())
    .map(([body, change, inQuery]): Pick<HttpRequest, 'query' | 'body'> => {
      const text = changed(flat({ ...(body as Record<string, string>), token }), change);
      return inQuery ? { query: printable(text) } : { body: Buffer.from(text) };
    });
  const mixedRequest = fc.tuple(jsonRequest, formRequest).map(([{ body }, { query }]) => ({ body, query }));

  return fc
    .tuple(
      method,
      path,
      contentType,
      fc.oneof({ weight: 3, arbitrary: jsonRequest }, { weight: 3, arbitrary: formRequest }, mixedRequest),
    )
    .map(([verb, url, type, rest]) => ({ method: verb, path: url, headers: { 'Content-Type': type }, ...rest }));
}

const changed = (text: string, change: Change[]) => change.reduce((result, apply) => apply(result), text);

function flipped(text: string, at: [number, number][]): Uint8Array {
  const result = Buffer.from(text);
  for (const [place, value] of at) result[place % result.length] = value;
  return result;
}

/** node:http sends no other characters in a URL. */
const printable = (text: string) => text.replaceAll(/[^\x21-\x7e]/g, (char) => encodeURIComponent(char.toWellFormed()));
