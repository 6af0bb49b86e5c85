/**
 * What a field weighs besides the 1 that each counts, in fields: round numbers of what `npm run bench -- weights` measures, CPU
 * of the gateway against that of a field whose value is at hand, which is about a microsecond.
 */
export const WEIGHTS = {
  /** A list: its statement, however many pages come of it. */
  statement: 150,
  /** A page of it, with its cursors. */
  page: 30,
  /** A search in names, for the database, which may have to look at many. */
  nameContains: 1_000,
  /** `permission`, and each item of `permissions`. */
  decision: 25,
  /** An object that is looked up by a key: a group, a member, a node. */
  lookUp: 15,
  /** What is not at hand but comes with what was read for others. */
  loaded: 6,
  /** The rights of a member. */
  rights: 2,
  /** A time, as text. */
  time: 1,
  /** An item of a list of numbers or texts. */
  leaf: 0.2,
  /** A field of the schema, of which all are resolved at a stretch. */
  schema: 1.5,
} as const;

const fields = (weight: number) => `${(1 + weight).toLocaleString('en')} fields`;
const weighs = (weight: number) => `Weighs ${fields(weight)}.`;

/** The same for descriptions. */
export const WEIGHS = {
  page: `Weighs ${fields(WEIGHTS.page)}, and once ${WEIGHTS.statement} more.`,
  nameContains: `Weighs ${WEIGHTS.nameContains.toLocaleString('en')} fields.`,
  decision: weighs(WEIGHTS.decision),
  decisions: `Each weighs ${fields(WEIGHTS.decision - 1)}.`,
  lookUp: weighs(WEIGHTS.lookUp),
  nodes: `Each weighs ${fields(WEIGHTS.lookUp - 1)}.`,
  loaded: weighs(WEIGHTS.loaded),
  byMessageType: `With a message type it weighs ${fields(WEIGHTS.loaded)}.`,
  messageTypes: `Weighs ${fields(WEIGHTS.loaded + 1_000 * WEIGHTS.leaf)}.`,
  rights: weighs(WEIGHTS.rights),
};
