import { decodeGlobalID } from '@pothos/plugin-relay';
import { requireScope } from '../access/viewer.ts';
import { invalid } from '../model/issues.ts';
import type { Context } from './context.ts';
import { NODE, NODES } from './price/field-price.ts';
import { WEIGHS } from './price/weights.ts';

const MAX_IDS = 1_000;

/** A decoded id: the name of the type, and the id within that type. */
interface NodeId {
  typename: string;
  id: string;
}

/** The types that have global ids. */
const TYPES: readonly string[] = ['Group', 'Member', 'User'];
/** The id of a group that never exists. */
const NO_GROUP: NodeId = { typename: 'Group', id: '0' };

/** Decodes a global id; a malformed id costs the same, and gets the same answer, as that of a missing group. */
function decodeNodeId(globalId: string): NodeId {
  try {
    const decoded = decodeGlobalID(globalId);
    return TYPES.includes(decoded.typename) ? decoded : NO_GROUP;
  } catch {
    return NO_GROUP;
  }
}

/** Options of Relay's plugin for `node` and `nodes`; how objects are loaded is defined with their types. */
export const NODE_OPTIONS = {
  decodeGlobalID: decodeNodeId,
  nodeQueryOptions: {
    description: `The object with this id; null: there is none, or the viewer may not see it. ${WEIGHS.lookUp}`,
    args: { id: { description: 'The `id` of an object.' } },
    extensions: NODE,
    resolve: (_: unknown, { id }: { id: NodeId }, { viewer }: Context, __: unknown, resolveNode: (id: NodeId) => unknown) => {
      requireScope(viewer, 'READ');
      return resolveNode(id);
    },
  },
  nodesQueryOptions: {
    description: `The objects with these ids, in their order; null where there is none, or the viewer may not see it. ${WEIGHS.nodes}`,
    args: { ids: { description: 'The ids of objects, at most 1,000.' } },
    extensions: NODES,
    resolve: (
      _: unknown,
      { ids }: { ids: NodeId[] },
      { viewer }: Context,
      __: unknown,
      resolveNodes: (ids: NodeId[]) => Promise<unknown[]>,
    ) => {
      requireScope(viewer, 'READ');
      if (ids.length > MAX_IDS) invalid(['ids'], `must be at most ${MAX_IDS} ids`);
      return resolveNodes(ids);
    },
  },
};
