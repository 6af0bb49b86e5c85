/** Asks a gateway for decisions, in a short form for tests. */
import {
  AllowedDocument,
  GroupAddDocument,
  type GroupAddInput,
  GroupRouteMessageDocument,
  type GroupRouteMessageInput,
  PermissionDocument,
} from '../../src/generated/operations.ts';
import type { Caller } from './gateway.ts';

export type Action = 'SEND' | 'RECV' | 'PUB' | 'SUB' | 'LIST';
export const ACTION_NAMES: Action[] = ['SEND', 'RECV', 'PUB', 'SUB', 'LIST'];

/** Creates a group and returns its gid. */
export async function addGroup(caller: Caller, input: GroupAddInput = {}): Promise<string> {
  const { groupAdd } = await caller.call(GroupAddDocument, { input });
  if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(JSON.stringify(groupAdd));
  return groupAdd.group.gid;
}

/** Like `yes: MEMBER` or `no: NOT_SELECTED`. */
export async function reason(
  caller: Caller,
  gid: string,
  address: string,
  action: Action,
  messageType?: number,
): Promise<string> {
  const { group } = await caller.call(PermissionDocument, { gid, address, action, messageType });
  const decision = group?.permission;
  return `${decision?.allowed ? 'yes' : 'no'}: ${decision?.reason}`;
}

/** The addresses on the first page. */
export async function allowed(
  caller: Caller,
  gid: string,
  action: Action,
  messageType?: number,
  except?: string,
): Promise<string[]> {
  const { group } = await caller.call(AllowedDocument, { gid, action, messageType, except });
  return (group?.allowed.edges ?? []).map(({ node }) => node.address);
}

/** The codes of a query's errors, each with the paths of its issues. */
export async function refusals(caller: Caller, query: string, variables?: object): Promise<unknown> {
  const { errors } = await caller.send(query, variables);
  return errors?.map(({ extensions }) => {
    const issues = extensions?.['issues'] as { path: string[] }[] | undefined;
    return [extensions?.['code'], issues?.map(({ path }) => path)];
  });
}

export type RouteInput = Omit<GroupRouteMessageInput, 'gid'>;

/** The payload or the error. */
export async function route(caller: Caller, gid: string, input: RouteInput, first?: number) {
  const { groupRouteMessage } = await caller.call(GroupRouteMessageDocument, { input: { gid, ...input }, first });
  return groupRouteMessage;
}

/** The message's receiver in turn; null: there is none. Anything except a routed message is an error. */
export async function receiverOf(caller: Caller, gid: string, input: RouteInput): Promise<string | null> {
  const routed = await route(caller, gid, input);
  if (routed.__typename !== 'RoutedMessage') throw new Error(JSON.stringify(routed));
  const recipients = routed.recipients.edges.map(({ node }) => node.address);
  if (recipients.join() !== (routed.receiver?.address ?? '')) throw new Error(`The recipients are ${recipients}`);
  return routed.receiver?.address ?? null;
}

/** The receivers of several messages that one sender sends in sequence. */
export async function receiversOf(caller: Caller, gid: string, count: number, input: RouteInput): Promise<string> {
  const receivers: (string | null)[] = [];
  for (let index = 0; index < count; index++) receivers.push(await receiverOf(caller, gid, input));
  return receivers.join(' ');
}
