/** What every plain setting does, by the table of the settings and a row of cases for each. */
import { describe, expect, test } from 'vitest';
import { PLAIN_NAMES, PLAIN_SETTINGS, type PlainName, type PlainSetting } from '../src/model/plain-settings.ts';
import { sql } from './setup/database.ts';
import { openTestGateway } from './setup/gateway.ts';
import { PLAIN_CASES } from './setup/plain-settings.ts';
import { changesOf, writesNothing } from './setup/rows.ts';
import { GROUP_CHANGES, listen, watchOver } from './setup/watch.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const caller = await gateway.caller();
const server = await listen(gateway);

type Values = { [Name in PlainName]?: unknown };
interface Group extends Record<PlainName, unknown> {
  gid: string;
  version: number;
}

const NAMES = PLAIN_NAMES.join(' ');
const RESULT = `__typename ... on InvalidInput { issues { path } }`;
const ADD = `mutation ($input: GroupAddInput!) { result: groupAdd(input: $input) {
  ... on GroupAddPayload { group { gid version ${NAMES} } } ${RESULT} } }`;
const SET = `mutation ($input: GroupSetInput!) { result: groupSet(input: $input) {
  ... on GroupSetPayload { group { gid version ${NAMES} } } ${RESULT} } }`;
const READ = `query ($gid: ID!) { group(gid: $gid) { gid version ${NAMES}
  changes(last: 1) { edges { node { ... on GroupAdded { settings { ${NAMES} } } ... on GroupUpdated { changed settings { ${NAMES} } } } } } } }`;

async function mutate(mutation: string, input: object) {
  const { data, errors } = await caller.send(mutation, { input });
  expect(errors).toBeUndefined();
  return data?.['result'];
}
const make = async (input: Values = {}): Promise<Group> => (await mutate(ADD, input)).group;
const set = async (gid: string, input: Values): Promise<Group> => (await mutate(SET, { gid, ...input })).group;
const read = async (gid: string) => (await caller.send(READ, { gid })).data?.['group'];

const initial = Object.fromEntries(PLAIN_NAMES.map((name) => [name, PLAIN_SETTINGS[name].initial]));

test('a new group has the initial values', async () => {
  expect(await make()).toMatchObject(initial);
});

describe.each(PLAIN_NAMES)('%s', (name) => {
  const { type, clearable, op } = PLAIN_SETTINGS[name] as PlainSetting;
  const { values, refused = [] } = PLAIN_CASES[name];
  const [value, other] = values;

  test('is set by groupAdd and by groupSet, and alone: one version, one record that names it', async () => {
    const made = await make({ [name]: value });
    expect(made).toMatchObject({ ...initial, [name]: value, version: 1 });
    expect((await read(made.gid)).changes.edges[0].node).toEqual({ settings: { ...initial, [name]: value } });
    const changed = await set(made.gid, { [name]: other });
    expect(changed).toEqual({ ...made, [name]: other, version: 2 });
    const { changes, ...group } = await read(made.gid);
    expect(group).toEqual(changed);
    expect(changes.edges[0].node).toEqual({ changed: [name], settings: { ...initial, [name]: other } });
    const [record, ...more] = await changesOf(db, made.gid, 1);
    expect(more).toEqual([]);
    expect(record?.data).toMatchObject({ changed: [name], settings: { [name]: other } });
  });

  test('the same value again, or none, changes nothing and writes nothing', async () => {
    const { gid, ...made } = await make({ [name]: value });
    await writesNothing(db, caller.viewer, async () => {
      expect(await set(gid, { [name]: value })).toEqual({ gid, ...made });
      expect(await set(gid, {})).toEqual({ gid, ...made });
    });
  });

  test('null clears it, or is refused', async () => {
    const { gid } = await make({ [name]: value });
    if (clearable) {
      expect(await set(gid, { [name]: null })).toMatchObject({ [name]: null, version: 2 });
      expect(await make({ [name]: null })).toMatchObject({ [name]: null });
      return;
    }
    const wrong = { __typename: 'InvalidInput', issues: [{ path: ['input', name] }] };
    await writesNothing(db, caller.viewer, async () => {
      expect(await mutate(SET, { gid, [name]: null })).toEqual(wrong);
      expect(await mutate(ADD, { [name]: null })).toEqual(wrong);
    });
  });

  test.for(refused.map((wrong) => [JSON.stringify(wrong).slice(0, 40), wrong] as const))('refused: %s', async ([, wrong]) => {
    const { gid } = await make();
    const answer = { __typename: 'InvalidInput', issues: [{ path: ['input', name] }] };
    await writesNothing(db, caller.viewer, async () => {
      expect(await mutate(SET, { gid, [name]: wrong })).toEqual(answer);
      expect(await mutate(ADD, { [name]: wrong })).toEqual(answer);
    });
  });

  test('a snapshot has it', async () => {
    const { gid } = await make({ [name]: value });
    const subscription = GROUP_CHANGES.replace(/settings \{/g, `settings { plain: ${name}`);
    const watch = watchOver('sse', server, caller.token, subscription, { gid, snapshot: true });
    await watch.until(() => watch.events.length > 0);
    expect(watch.events[0]).toMatchObject({ __typename: 'GroupSnapshot', settings: { plain: value } });
    await watch.stop();
  });

  test('a record from before it was there reads its initial value', async () => {
    const { gid } = await make({ [name]: value });
    await sql(db, `update changes set data = data #- array['settings', $2::text] where gid = $1`, [gid, name]);
    expect((await read(gid)).changes.edges[0].node.settings).toEqual(initial);
  });

  if (op === undefined) return;

  test('the op endpoint reads it and writes it, in both styles', async () => {
    const { gid } = await make();
    const send = async (body: object, path = '/backend') => {
      const request = new Request(`http://gateway${path}`, { method: 'POST', body: JSON.stringify(body) });
      return (await gateway.fetch(request)).json();
    };
    const { token } = caller;
    const answer = { op: 'groupset', result: true, group: { gid: Number(gid) } };
    expect(await send({ op: 'groupset', token, group: { gid, [op]: value } })).toEqual(answer);
    expect(await read(gid)).toMatchObject({ [name]: value });
    expect((await send({ op: 'groupget', token, group: { gid } })).group).toMatchObject({ [op]: value });
    const text = type === 'Boolean' ? Number(other) : other;
    const query = new URLSearchParams({ op: 'groupset', token, gid, [op]: String(text) });
    expect(await send({}, `/backend?${query}`)).toEqual(answer);
    expect(await read(gid)).toMatchObject({ [name]: other });
  });
});
