import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from './random.ts';

const RESULT = '{ __typename ... on Error { code message } ... on GroupAddPayload { group { gid } cursor } }';
const ADD = `mutation ($input: GroupAddInput!) { result: groupAdd(input: $input) ${RESULT} }`;
const SET = 'mutation ($input: GroupSetInput!) { result: groupSet(input: $input) { __typename ... on Error { code } } }';
const DELETE = 'mutation ($input: GroupDelInput!) { result: groupDel(input: $input) { __typename ... on Error { code } } }';
const EDIT =
  'mutation ($input: GroupEditMembersInput!) { result: groupEditMembers(input: $input) { __typename ... on Error { code } } }';

/** Refusals that come of the others' writes. */
const EXPECTED = ['GROUP_NOT_FOUND', 'NOT_A_MEMBER'];
const ADDRESSES = Array.from({ length: 40 }, (_, n) => `member-${n}`);
const MOST_GROUPS = 30;

export interface Made {
  gid: string;
  cursor: string;
}

export interface WriterOptions {
  urls: readonly string[];
  token: string;
  random: Random;
  /** The groups that writers know of. */
  groups: Made[];
  onFailure: (what: string) => void;
}

export async function makeGroup(url: string, token: string, name: string): Promise<Made> {
  const result = await post(url, token, ADD, { name });
  if (result?.__typename !== 'GroupAddPayload') throw new Error(`No group was made: ${JSON.stringify(result)}`);
  return { gid: result['group'].gid, cursor: result['cursor'] };
}

/** Nobody knows what became of it when a process or a connection ends meanwhile. */
export async function deleteGroup(url: string, token: string, gid: string): Promise<void> {
  await post(url, token, DELETE, { gid });
}

// biome-ignore lint/suspicious/noExplicitAny: what the operation asks for
type Result = Record<string, any>;

/** The result; undefined when nobody knows what became of it, for a process or a connection ended. */
async function post(url: string, token: string, query: string, input: object): Promise<Result | undefined> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
  const body = JSON.stringify({ query, variables: { input } });
  try {
    const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(15_000) });
    const { data } = (await response.json()) as { data?: { result: Result } | null };
    return data?.result;
  } catch {
    return undefined;
  }
}

/** Adds, removes, changes and deletes until it is stopped. */
export async function write({ urls, token, random, groups, onFailure }: WriterOptions, stopped: () => boolean): Promise<void> {
  while (!stopped()) {
    const result = await writeOne(random, random.pick(urls), token, groups);
    if (result?.['code'] && !EXPECTED.includes(result['code'])) onFailure(`a writer was refused: ${JSON.stringify(result)}`);
    await sleep(result ? random.between(2, 30) : 100);
  }
}

async function writeOne(random: Random, url: string, token: string, groups: Made[]): Promise<Result | undefined> {
  const dice = random.next();
  const some = () => ADDRESSES.filter(() => random.next() < 0.15);
  const { gid } = random.pick(groups);
  if (dice < 0.03 && groups.length < MOST_GROUPS) {
    const members = [{ addresses: some() }];
    const result = await post(url, token, ADD, { name: `group ${random.between(0, 999)}`, members });
    if (result?.['group']) groups.push({ gid: result['group'].gid, cursor: result['cursor'] });
    return result;
  }
  if (dice < 0.035 && groups.length > 6) {
    const [gone] = groups.splice(random.between(6, groups.length - 1), 1);
    return gone && post(url, token, DELETE, { gid: gone.gid });
  }
  if (dice < 0.25) return post(url, token, SET, { gid, name: `name ${random.between(0, 999)}` });
  if (dice < 0.45) {
    const update = [{ addresses: [random.pick(ADDRESSES)], permissions: { send: random.next() < 0.5 } }];
    return post(url, token, EDIT, { gid, update });
  }
  const add = some();
  const remove = some().filter((address) => !add.includes(address));
  const send = random.next() < 0.5;
  return post(url, token, EDIT, { gid, add: [{ addresses: add, permissions: { send } }], remove });
}
