import { decodeGlobalID } from '@pothos/plugin-relay';
import { requireScope } from '../access/viewer.ts';
import { invalid } from '../model/issues.ts';
import type { Context } from './context.ts';
import { NODE, NODES } from './price/field-price.ts';
import { WEIGHS } from './price/weights.ts';

const MAX_IDS = 1_000;

/** An id as it was decoded: the type's name, and the id within that. */
interface NodeId {
  typename: string;
  id: string;
}

/** The id of a group that there never is. */
const NO_GROUP: NodeId = { typename: 'Group', id: '0' };

/** Decodes a global id; a malformed id costs and answers the same as that of a missing group. */
function decodeNodeId(globalId: string): NodeId {
  try {
    const decoded = decodeGlobalID(globalId);
    return decoded.typename === 'Group' || decoded.typename === 'Member' ? decoded : NO_GROUP;
  } catch {
    return NO_GROUP;
  }
}

/** How Relay's plugin makes `node` and `nodes`; what they load stands with the types. */
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
