/** Operations that take the database's time, or its connections. */
import { type Attack, times } from '../attack.ts';

const EDIT = 'mutation ($input: GroupEditMembersInput!) { groupEditMembers(input: $input) { __typename ... on Error { code } } }';
const SET = 'mutation ($input: GroupSetInput!) { groupSet(input: $input) { __typename ... on Error { code } } }';
const CHECKS = 'query ($checks: [PermissionCheck!]!) { permissions(checks: $checks) { allowed } }';

const addressesOf = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name}-${n}`);
/** Its trigrams stand in the name of each group, it stands in none. */
const nothing = (n: number) =>
  `groups(filter: { nameContains: "number group number${'r'.repeat(n % 3)}" }, first: 1) { edges { cursor } }`;

/** Just within 100,000 fields. */
const FILTERS = times(
  60,
  (n) =>
    `a${n}: groups(first: 10, filter: { state: ${n % 2 ? 'EXPIRED' : 'PAUSED'}, member: "nobody ${n}" }, orderBy: { field: ${n % 3 ? 'MEMBER_COUNT' : 'UPDATED_AT'}, direction: DESC }) { edges { node { gid } } }`,
);

export const DATABASE: Attack[] = [
  {
    name: '200 lists that match nothing, dropped after 100 ms',
    by: 'user',
    run: (attacker) => {
      const query = `{ ${times(200, (n) => `a${n}: ${nothing(n)}`)} }`;
      return attacker.flood(5, () => attacker.post(query, attacker.targets.user, undefined, { leaveAfter: 100 }));
    },
  },
  {
    name: '80 lists that match nothing, dropped after 100 ms',
    by: 'user',
    run: (attacker) => {
      const query = `{ ${times(80, (n) => `a${n}: ${nothing(n)}`)} }`;
      return attacker.flood(5, () => attacker.post(query, attacker.targets.user, undefined, { leaveAfter: 100 }));
    },
  },
  {
    name: '80 lists that match nothing, waited for',
    by: 'user',
    run: (attacker) => {
      const query = `{ ${times(80, (n) => `a${n}: ${nothing(n)}`)} }`;
      return attacker.flood(5, () => attacker.post(query, attacker.targets.user));
    },
  },
  {
    name: 'lists by filters that few pass',
    by: 'user',
    run: (attacker) => attacker.flood(10, () => attacker.post(`{ ${FILTERS} }`, attacker.targets.user)),
  },
  {
    name: 'ten edits of 100,000 addresses on ten groups',
    by: 'user',
    run: async (attacker) => {
      const { targets } = attacker;
      const addresses = addressesOf(`bulk-${Date.now()}`, 100_000);
      const edits = targets.own.map((gid) => attacker.post(EDIT, targets.user, { input: { gid, add: [{ addresses }] } }));
      await Promise.race([Promise.all(edits), attacker.wait()]);
      // And again, so that there is always one.
      await attacker.flood(10, (n) => {
        const gid = targets.own[n % targets.own.length];
        return attacker.post(EDIT, targets.user, { input: { gid, remove: addresses } });
      });
    },
  },
  {
    name: '40 edits under the key of a running edit',
    by: 'user',
    run: async (attacker) => {
      const { targets } = attacker;
      const idempotencyKey = `key ${Date.now()}`;
      const [first = '', ...others] = targets.own;
      const large = { gid: first, idempotencyKey, add: [{ addresses: addressesOf(`keyed-${Date.now()}`, 100_000) }] };
      const running = attacker.post(EDIT, targets.user, { input: large });
      await attacker.wait(300);
      await attacker.flood(40, (n) => {
        const input = { gid: others[n % others.length], idempotencyKey, add: [{ addresses: ['one'] }] };
        return attacker.post(EDIT, targets.user, { input });
      });
      await Promise.race([running, attacker.wait()]);
    },
  },
  {
    name: '1,200 writes at once without the right to',
    by: 'user',
    run: (attacker) => {
      const { targets } = attacker;
      return attacker.flood(1_200, () => attacker.post(SET, targets.member, { input: { gid: targets.own[0], name: 'taken' } }));
    },
  },
  {
    name: '1,200 writes at once of one group',
    by: 'user',
    run: (attacker) => {
      const { targets } = attacker;
      return attacker.flood(1_200, (n) =>
        attacker.post(SET, targets.user, { input: { gid: targets.own[0], name: `name ${n % 2}` } }),
      );
    },
  },
  {
    name: 'four connections of 1,000 permissions',
    by: 'user',
    run: (attacker) => {
      const { targets } = attacker;
      const checks = Array.from({ length: 1_000 }, (_, n) => ({
        gid: targets.large,
        address: `member-${String(n * 97).padStart(6, '0')}`,
        action: 'SEND',
      }));
      return attacker.flood(4, () => attacker.post(CHECKS, targets.user, { checks }));
    },
  },
  {
    name: 'pages of changes with their members',
    by: 'user',
    run: (attacker) => {
      const { targets } = attacker;
      const query = `{ group(gid: "${targets.large}") { changes(first: 40) { edges { node { __typename ... on MembersAdded { members { address } } } } } } }`;
      return attacker.flood(20, () => attacker.post(query, targets.user));
    },
  },
  {
    name: 'all who are allowed, in pages of 1,000',
    by: 'user',
    run: (attacker) => {
      const { targets } = attacker;
      const query = `{ group(gid: "${targets.large}") { ${times(35, (n) => `a${n}: allowed(action: SEND, first: 1000, messageType: ${n}) { edges { node { address } } }`)} } }`;
      return attacker.flood(20, () => attacker.post(query, targets.user));
    },
  },
];
