/** Operations that are dear to read, to check or to carry out. */
import { type Attack, times } from '../attack.ts';

const TYPE_FIELDS = [
  'kind',
  'name',
  'description',
  'specifiedByURL',
  'isOneOf',
  '__typename',
  'a: name',
  'b: kind',
  'c: name',
  'd: kind',
];
const introspection = (aliases: number) => `{ __schema { ${times(aliases, (n) => `a${n}: types { ...t }`)} } }
  fragment t on __Type { ${TYPE_FIELDS.join(' ')} }`;
/** Just within 100,000 fields. */
const MOST_OF_THE_SCHEMA = `{ __schema { ${times(28, (n) => `a${n}: types { name kind description fields { name description } inputFields { name } }`)} } }`;

const members = (gid: string, fields: string) => `groupGetMembers(gid: "${gid}", first: 1000) { edges { node { ${fields} } } }`;
const EIGHTEEN =
  'id address joinedAt updatedAt permissions { send recv pub sub list } admin { owner admin modify remove addUser removeUser addAdmin removeAdmin removeOwner }';

/** Fields of one name, each of which has to be compared with all others. */
const OVERLAPPING = `{ ${times(3_000, () => 'viewer { address }')} }`;
/** The same with arguments, through fragments that spread all that come after them. */
const FRAGMENTS = 90;
const SPREADING = `{ ...f0 } ${times(FRAGMENTS, (n) => `fragment f${n} on Query { viewer { a${n}: address } ${times(FRAGMENTS - n - 1, (m) => `...f${n + m + 1}`)} }`)}`;

export const DOCUMENTS: Attack[] = [
  {
    name: 'introspection, 1,000 aliases of types',
    by: 'nobody',
    run: (attacker) => attacker.flood(4, () => attacker.post(introspection(1_000), undefined)),
  },
  {
    name: 'introspection, 54 KB',
    by: 'nobody',
    run: (attacker) => attacker.flood(4, () => attacker.post(introspection(3_100), undefined)),
  },
  {
    name: 'introspection, all that is allowed',
    by: 'nobody',
    run: (attacker) => attacker.flood(20, () => attacker.post(MOST_OF_THE_SCHEMA, undefined)),
  },
  {
    name: '1,000 aliases of permissions of 1,000 members',
    by: 'user',
    run: (attacker) => {
      const { targets } = attacker;
      const query = `{ ${members(
        targets.thousand,
        times(1_000, (n) => `a${n}: permissions { send }`),
      )} }`;
      return attacker.flood(4, () => attacker.post(query, targets.user));
    },
  },
  {
    name: '100 lists of 1,000 members with 18 fields',
    by: 'user',
    run: (attacker) => {
      const { targets } = attacker;
      const query = `{ ${times(100, (n) => `a${n}: ${members(targets.thousand, EIGHTEEN)}`)} }`;
      return attacker.flood(20, () => attacker.post(query, targets.user));
    },
  },
  {
    name: 'the largest page that is allowed, 20 at once',
    by: 'user',
    run: (attacker) => {
      const { targets } = attacker;
      const query = `{ ${members(
        targets.thousand,
        times(95, (n) => `a${n}: address`),
      )} }`;
      return attacker.flood(20, () => attacker.post(query, targets.user));
    },
  },
  {
    name: 'fields to be compared with each other',
    by: 'nobody',
    run: (attacker) => attacker.flood(4, () => attacker.post(OVERLAPPING, undefined)),
  },
  {
    name: 'fragments that spread each other',
    by: 'nobody',
    run: (attacker) => attacker.flood(4, (n) => attacker.post(`${SPREADING} # ${n}`, undefined)),
  },
  {
    name: 'documents of many words',
    by: 'nobody',
    run: (attacker) => {
      const list = times(100_000, () => '1,');
      return attacker.flood(4, (n) => attacker.post(`{ viewer(a: [${list}]) { address } } # ${n}`, undefined));
    },
  },
  {
    name: 'a document of 30 MiB in one comment',
    by: 'user',
    run: (attacker) => {
      const comment = '#'.repeat(30 * 1024 * 1024);
      return attacker.flood(2, () => attacker.post(`{ viewer { address } } ${comment}`, attacker.targets.user));
    },
  },
  {
    name: 'wrong variables, 100,000 of them',
    by: 'user',
    run: (attacker) => {
      const checks = Array.from({ length: 100_000 }, () => ({ gid: 1, action: 'NONE' }));
      const query = 'query ($checks: [PermissionCheck!]!) { permissions(checks: $checks) { allowed } }';
      return attacker.flood(4, () => attacker.post(query, attacker.targets.user, { checks }));
    },
  },
  {
    name: 'fields that fail behind 100,000 lines',
    by: 'user',
    run: (attacker) => {
      const query = `${'\n'.repeat(100_000)}{ ${times(3_000, (n) => `a${n}: user(address: "x") { id }`)} }`;
      return attacker.flood(4, () => attacker.post(query, attacker.targets.user));
    },
  },
  {
    name: 'fields that are not there behind 100,000 lines',
    by: 'nobody',
    run: (attacker) => {
      const query = `${'\n'.repeat(100_000)}{ ${times(3_000, (n) => `nothing${n}`)} }`;
      return attacker.flood(4, () => attacker.post(query, undefined));
    },
  },
];
