import { type GraphQLResolveInfo, Kind, type SelectionSetNode } from 'graphql';
import type { ChangeKind } from '../changes/log/records.ts';
import { builder } from './builder.ts';
import { GroupChange, GroupChangeKindType } from './changes.ts';
import { connectionOf } from './connection.ts';
import { PAGE } from './price/field-price.ts';
import { WEIGHS } from './price/weights.ts';
import { GroupRef } from './refs.ts';

const GroupChangeConnection = builder.connectionObject(
  { type: GroupChange, name: 'GroupChangeConnection', description: 'A page of change records.' },
  { name: 'GroupChangeEdge', description: 'A change record in a page.' },
);

/** The fields for which the data of a record must be read, and the kinds of records that have them. */
const DATA_FIELDS: Record<string, readonly ChangeKind[]> = {
  settings: ['GROUP_ADDED', 'GROUP_UPDATED'],
  changed: ['GROUP_UPDATED'],
  due: ['GROUP_STARTED', 'GROUP_EXPIRED'],
  members: ['MEMBERS_ADDED', 'MEMBERS_UPDATED'],
  addresses: ['MEMBERS_REMOVED'],
};

/** The kinds whose data is selected, anywhere below a field; it may be too many, never too few. */
function wholeKinds({ fieldNodes, fragments }: GraphQLResolveInfo): ChangeKind[] {
  const kinds = new Set<ChangeKind>();
  const seen = new Set<string>();
  const look = (set: SelectionSetNode | undefined): void => {
    for (const selection of set?.selections ?? []) {
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const name = selection.name.value;
        if (!seen.has(name)) look(fragments[name]?.selectionSet);
        seen.add(name);
        continue;
      }
      if (selection.kind === Kind.FIELD) for (const kind of DATA_FIELDS[selection.name.value] ?? []) kinds.add(kind);
      look(selection.selectionSet);
    }
  };
  for (const { selectionSet } of fieldNodes) look(selectionSet);
  return [...kinds].sort();
}

builder.objectFields(GroupRef, (t) => ({
  changes: t.field({
    type: GroupChangeConnection,
    description: `The change records that are still kept, oldest first: who did what, when. For a user they begin with the one that added it. \`last\` gives the latest. ${WEIGHS.page}`,
    args: {
      ...t.arg.connectionArgs(),
      kinds: t.arg({ type: [GroupChangeKindType], description: 'Only records of these kinds; all if left out.' }),
    },
    extensions: PAGE,
    resolve: async ({ gid }, args, { load }, info) =>
      connectionOf(await load.changes(gid, { ...args, whole: wholeKinds(info) }), load),
  }),
}));
