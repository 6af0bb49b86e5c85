import type { Group } from '../model/group.ts';
import type { Member } from '../model/member.ts';
import { builder } from './builder.ts';

// Made apart from their fields, since the two types name each other.
export const GroupRef = builder.objectRef<Group>('Group');
export const MemberRef = builder.objectRef<Member>('Member');

export const OrderDirection = builder.enumType('OrderDirection', {
  description: 'The direction of a list.',
  values: { ASC: { description: 'From the least on.' }, DESC: { description: 'From the greatest on.' } } as const,
});

export const NO_PROMISE = 'An item that moves while the list is paged may come twice or not at all';
