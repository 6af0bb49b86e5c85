import type { Viewer } from '../access/viewer.ts';
import type { ChangeRecord } from '../changes/log/read.ts';
import type { Waiting } from '../changes/streams/subscriber.ts';
import { type Decision, decide } from '../model/decision.ts';
import { ACTIONS, type ActionName } from '../model/flags.ts';
import type { Standing } from './read/standings.ts';

/** What an address may do in a group at a time: the answers to all five actions. */
export interface PermissionState extends Record<ActionName, Decision> {
  gid: number;
  address: string;
  messageType: number;
  at: Date;
}

/** One who watches, and the last answer. Each is answered in turn, so that a later answer is never older. */
export interface PermissionWatcher {
  readonly viewer: Viewer;
  readonly address: string;
  readonly messageType: number;
  /** Woken by an answer that is not as the one before. */
  readonly subscriber: Waiting;
  answer?: PermissionAnswer;
}

export type PermissionAnswer =
  /** `text` is the same for the same decisions. */
  | { state: PermissionState; text: string }
  /** The viewer may not ask, or there is no such group; `deleted`: it was deleted. */
  | { refused: true; deleted: boolean }
  | { error: unknown };

/** The addresses whose membership matters to a watcher: the one asked about, and the one that asks. */
export const addressesOf = ({ viewer, address }: PermissionWatcher) => new Set([address, viewer.address ?? address]);
/** The same for watchers that get the same answer, if they get one. */
export const keyOf = ({ messageType, address }: PermissionWatcher) => `${messageType} ${address}`;

export type Question = Pick<PermissionState, 'gid' | 'address' | 'messageType'>;

export function answerOf(question: Question, standing: Standing | undefined, at: Date): PermissionAnswer {
  if (!standing) return { refused: true, deleted: true }; // it was deleted, and forgotten
  const decisions = Object.fromEntries(
    ACTIONS.map((action) => [action, decide({ ...standing, action, messageType: question.messageType })]),
  ) as Record<ActionName, Decision>;
  return { state: { ...question, at, ...decisions }, text: JSON.stringify(decisions) };
}

/** The addresses that a record is about; undefined: it concerns everyone. */
export function addressesIn(record: ChangeRecord): readonly string[] | undefined {
  switch (record.kind) {
    case 'MEMBERS_ADDED':
    case 'MEMBERS_UPDATED':
      return record.members.map(([address]) => address);
    case 'MEMBERS_REMOVED':
      return record.addresses;
    default:
      return undefined;
  }
}
