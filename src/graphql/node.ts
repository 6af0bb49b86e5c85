import { brandWithType } from '@pothos/core';
import { requireScope } from '../access/viewer.ts';
import { readGid } from '../model/gid.ts';
import { invalid } from '../model/issues.ts';
import { addressProblem } from '../model/text.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';
import { NODE } from './limits.ts';

const MAX_IDS = 1_000;

/** Reads the object of a global id; a malformed id costs and answers the same as that of a missing group. */
async function nodeOf(id: string, { load }: Context): Promise<unknown> {
  const [, type, gid = '', address] = /^(Group|Member):(\d+)(?::(.*))?$/s.exec(Buffer.from(id, 'base64').toString()) ?? [];
  const group = await load.group.load(readGid(gid).number);
  if (!group) return null;
  if (type === 'Group' && address === undefined) return branded(group, 'Group');
  if (type !== 'Member' || address === undefined || addressProblem(address)) return null;
  const member = await load.member.load({ gid: group.gid, address });
  return member ? branded(member, 'Member') : null;
}

/** The interface cannot tell by its look what an object is. The mark goes on a copy: the loaders share theirs. */
function branded(object: object, type: string): object {
  const copy = { ...object };
  brandWithType(copy, type as never);
  return copy;
}

builder.queryFields((t) => ({
  node: t.field({
    type: builder.nodeInterfaceRef(),
    nullable: true,
    description: 'The object with this id; null: there is none, or the viewer may not see it.',
    args: { id: t.arg.id({ required: true, description: 'The `id` of an object.' }) },
    complexity: NODE,
    resolve: (_, { id }, context) => {
      requireScope(context.viewer, 'READ');
      return nodeOf(id, context) as never;
    },
  }),
  nodes: t.field({
    type: [builder.nodeInterfaceRef()],
    nullable: { list: false, items: true },
    description: 'The objects with these ids, in their order; null where there is none, or the viewer may not see it.',
    args: { ids: t.arg.idList({ required: true, description: 'The ids of objects, at most 1,000.' }) },
    complexity: ({ ids }) => ({ field: ids.length * NODE, multiplier: ids.length }),
    resolve: (_, { ids }, context) => {
      requireScope(context.viewer, 'READ');
      if (ids.length > MAX_IDS) invalid(['ids'], `must be at most ${MAX_IDS} ids`);
      return Promise.all(ids.map((id) => nodeOf(id, context))) as never;
    },
  }),
}));
