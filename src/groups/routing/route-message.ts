import { requireScope, type Viewer } from '../../access/viewer.ts';
import type { Database } from '../../db/client.ts';
import type { Sql } from '../../db/sql.ts';
import { decide, isRoundRobin, MessageRefusedError } from '../../model/decision.ts';
import { GroupNotFoundError, NotAllowedError } from '../../model/errors.ts';
import { Flag } from '../../model/flags.ts';
import { readGid } from '../../model/gid.ts';
import type { Group } from '../../model/group.ts';
import type { Member } from '../../model/member.ts';
import { type Page, pageOf, pageRequest } from '../../model/page.ts';
import { checkMessage, type GroupRouteMessageInput, type Message } from '../input/routing-input.ts';
import { firstAllowed, memberCursor } from '../read/allowed.ts';
import { findGroup } from '../read/groups.ts';
import { findMembers } from '../read/members.ts';
import { findStandings } from '../read/standings.ts';
import { extendByActivity } from './activity.ts';
import { findRouting, type KeptRouting, keepRouting, lockMessage } from './routed-messages.ts';
import { type TurnRequest, takeTurn, turnName } from './turn.ts';

/** Where a message goes. */
export interface RoutedMessage {
  group: Group;
  from: string;
  messageType: number;
  store: boolean;
  loopback: boolean;
  /** Whether it goes to one receiver in turn, not to all who may receive. */
  roundRobin: boolean;
  /** This receiver; undefined: there is no candidate. */
  receiver: Member | undefined;
}

/**
 * Decides whether a message may be sent, whether it is stored, whether its sender gets a copy and who receives it. In a
 * round-robin group this takes the receiver's turn. A repetition of the same message id within ten minutes gets the same answer
 * and takes no turn, unless the receiver has left: then the message is routed anew.
 * @throws NotAllowedError (WRITE; "application" for a user), InvalidInputError, IdempotencyConflictError, GroupNotFoundError,
 * MessageRefusedError
 */
export async function routeMessage(db: Database, viewer: Viewer, input: GroupRouteMessageInput): Promise<RoutedMessage> {
  requireScope(viewer, 'WRITE');
  if (viewer.address !== null) throw new NotAllowedError('application');
  const message = checkMessage(viewer, input);
  const kept = message.id && (await findRouting(db, message.id));
  const group = await findGroup(db, viewer, readGid(message.gid).number);
  if (!group) throw new GroupNotFoundError(message.gid);
  return (kept && (await repeatAnswer(db, viewer, message, group, kept))) ?? routeNew(db, viewer, message, group);
}

/** The first answer again; undefined: its receiver has left. */
async function repeatAnswer(
  sql: Sql,
  { appId }: Viewer,
  { from, messageType }: Message,
  group: Group,
  { receiver: address, store, loopback }: KeptRouting,
): Promise<RoutedMessage | undefined> {
  const answer = { group, from, messageType, store, loopback };
  if (address === null) return { ...answer, roundRobin: false, receiver: undefined };
  const [receiver] = await findMembers(sql, appId, [{ gid: group.gid, address }]);
  return receiver && { ...answer, roundRobin: true, receiver };
}

async function routeNew(db: Database, viewer: Viewer, message: Message, group: Group): Promise<RoutedMessage> {
  const { appId } = viewer;
  const { gid } = group;
  const { from, messageType, among } = message;
  const [standing] = await findStandings(db, appId, [{ gid, address: from, messageType }]);
  if (!standing) throw new GroupNotFoundError(message.gid);
  const decision = decide({ ...standing, action: 'send', messageType });
  if (!decision.allowed) throw new MessageRefusedError(decision);
  await extendByActivity(db, viewer, group);
  const { type } = standing;
  const { flags } = standing.group;
  const turn: TurnRequest | undefined = isRoundRobin(flags, messageType, type)
    ? { appId, gid, flags, messageType, type, from, among }
    : undefined;
  const routed: RoutedMessage = {
    group,
    from,
    messageType,
    store: !(flags & Flag.NOT_STORED),
    loopback: Boolean(flags & Flag.LOOPBACK),
    roundRobin: turn !== undefined,
    receiver: undefined,
  };
  return turn || message.id ? takeTurnAndKeep(db, viewer, message, routed, turn) : routed;
}

/** Takes the turn and keeps the answer in one transaction, unless the same message was routed meanwhile. */
async function takeTurnAndKeep(
  db: Database,
  viewer: Viewer,
  message: Message,
  routed: RoutedMessage,
  turn: TurnRequest | undefined,
): Promise<RoutedMessage> {
  const { id } = message;
  const queue = turn ? turnName(turn) : `message:${viewer.appId}:${id?.key}`;
  return db.exclusive(queue, async (tx) => {
    if (id) {
      await lockMessage(tx, id);
      const first = await findRouting(tx, id);
      const again = first && (await repeatAnswer(tx, viewer, message, routed.group, first));
      if (again) return again;
    }
    const receiver = turn && (await takeTurn(tx, turn));
    // A message that found no receiver may find one when it is repeated.
    const found = !turn || receiver;
    const { store, loopback } = routed;
    if (id && found) await keepRouting(tx, id, { receiver: receiver?.address ?? null, store, loopback });
    return { ...routed, receiver };
  });
}

/**
 * The first page of the members who receive a message, by address: in a round-robin group only the receiver.
 * @throws InvalidInputError
 */
export async function recipientsOf(
  sql: Sql,
  { appId }: Viewer,
  { group, from, messageType, roundRobin, receiver }: RoutedMessage,
  first: number | null | undefined,
): Promise<Page<Member>> {
  if (!roundRobin) return firstAllowed(sql, appId, group, { action: 'recv', messageType, except: from, first });
  return { ...pageOf(receiver ? [receiver] : [], pageRequest({ first }, '', ''), async () => false), cursorOf: memberCursor };
}
