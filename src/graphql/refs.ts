import type { Group } from '../model/group.ts';
import type { Member } from '../model/member.ts';
import { builder } from './builder.ts';

// Defined separately from their fields, since the two types refer to each other.
export const GroupRef = builder.objectRef<Group>('Group');
export const MemberRef = builder.objectRef<Member>('Member');

export const OrderDirection = builder.enumType('OrderDirection', {
  description: 'The direction of a list.',
  values: { ASC: { description: 'Ascending.' }, DESC: { description: 'Descending.' } } as const,
});

export const NO_PROMISE = 'An item that moves during paging may appear twice or not at all';
