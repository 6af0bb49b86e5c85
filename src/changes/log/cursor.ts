/**
 * A position in one group's change stream: after the record of that version. The mark is random, so that a position in a
 * history which the database no longer has is recognized.
 */
export interface GroupPosition {
  gid: number;
  version: number;
  mark: number;
}

/** A place in the order of all commits: after the record with this (generation, xid, id). */
export interface CommitPosition {
  generation: number;
  xid: number;
  id: number;
}

/** The content of a cursor. */
export type StreamPosition =
  /** In a group's stream. */
  | { stream: 'group'; position: GroupPosition }
  /** Within a snapshot of a group, which starts again. */
  | { stream: 'snapshot'; gid: number }
  /** In the stream of an app, with the mark of the record before the position; 0: before all records. */
  | { stream: 'app'; appId: number; position: CommitPosition; mark: number }
  /** Within a snapshot of an address's memberships, which starts again. */
  | { stream: 'membershipsSnapshot'; appId: number; address: string }
  /** In the stream of an address's memberships. */
  | { stream: 'memberships'; appId: number; address: string; position: CommitPosition; mark: number };

const pack = (...parts: (string | number)[]) => Buffer.from(parts.join('.')).toString('base64url');

/** The opaque, URL-safe form of a position in a group's stream. */
export function encodeGroupCursor({ gid, version, mark }: GroupPosition): string {
  return pack('g', gid, version, mark);
}

export function encodeSnapshotCursor(gid: number): string {
  return pack('s', gid);
}

export function encodeAppCursor(appId: number, { generation, xid, id }: CommitPosition, mark: number): string {
  return pack('a', appId, generation, xid, id, mark);
}

export function encodeMembershipsCursor(appId: number, address: string, position: CommitPosition, mark: number): string {
  const { generation, xid, id } = position;
  return pack('m', appId, generation, xid, id, mark, address);
}

export function encodeMembershipsSnapshotCursor(appId: number, address: string): string {
  return pack('n', appId, address);
}

const PATTERNS = [
  /^(g)\.(\d{1,16}(?:\.\d{1,16}){2})$/,
  /^(s)\.(\d{1,16})$/,
  /^(a)\.(\d{1,16}(?:\.\d{1,16}){4})$/,
  /^(m)\.(\d{1,16}(?:\.\d{1,16}){4})\.(.+)$/s,
  /^(n)\.(\d{1,16})\.(.+)$/s,
];

/** The content of a cursor; undefined for one that is malformed. */
export function decodeCursor(cursor: string): StreamPosition | undefined {
  const text = Buffer.from(cursor, 'base64url').toString();
  if (Buffer.from(text).toString('base64url') !== cursor) return undefined;
  const [, stream, digits = '', address] = PATTERNS.map((pattern) => pattern.exec(text)).find((found) => found !== null) ?? [];
  const numbers = digits.split('.').map(Number);
  if (!numbers.every(Number.isSafeInteger)) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, mark = 0] = numbers;
  if (stream === 'g') return { stream: 'group', position: { gid: a, version: b, mark: c } };
  if (stream === 's') return { stream: 'snapshot', gid: a };
  if (stream === 'n' && address !== undefined) return { stream: 'membershipsSnapshot', appId: a, address };
  const position = { generation: b, xid: c, id: d };
  if (stream === 'a') return { stream: 'app', appId: a, position, mark };
  if (stream === 'm' && address !== undefined) return { stream: 'memberships', appId: a, address, position, mark };
  return undefined;
}
