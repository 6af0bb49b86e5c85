/** What is multiplied by the lengths of lists: fields, nodes, and the most bytes that they take as JSON. */
export interface Volume {
  fields: number;
  /** The same, of lists whose length nobody knows before they are read as many items as they usually have. */
  usualFields: number;
  nodes: number;
  bytes: number;
}

/** What a selection comes to: once, and besides for each item of the page that it is selected of. */
export interface Amount {
  once: Volume;
  each: Volume;
  lists: number;
  writes: number;
  depth: number;
  /** For the addresses that are written. */
  points: number;
}

const NO_VOLUME: Volume = { fields: 0, usualFields: 0, nodes: 0, bytes: 0 };
export const NOTHING: Amount = { once: NO_VOLUME, each: NO_VOLUME, lists: 0, writes: 0, depth: 0, points: 0 };

export const volume = ({ fields = 0, ...given }: Partial<Volume>): Volume => ({
  ...NO_VOLUME,
  fields,
  usualFields: fields,
  ...given,
});

/** One and some times, usually other ones, the other. */
export function plus(a: Volume, b: Volume, times = 1, usualTimes = times): Volume {
  return {
    fields: a.fields + b.fields * times,
    usualFields: a.usualFields + b.usualFields * usualTimes,
    nodes: a.nodes + b.nodes * times,
    bytes: a.bytes + b.bytes * times,
  };
}

const greater = (a: Volume, b: Volume): Volume => ({
  fields: Math.max(a.fields, b.fields),
  usualFields: Math.max(a.usualFields, b.usualFields),
  nodes: Math.max(a.nodes, b.nodes),
  bytes: Math.max(a.bytes, b.bytes),
});

/** Both together. */
export const sum = (a: Amount, b: Amount): Amount => ({
  once: plus(a.once, b.once),
  each: plus(a.each, b.each),
  lists: a.lists + b.lists,
  writes: a.writes + b.writes,
  depth: Math.max(a.depth, b.depth),
  points: a.points + b.points,
});

/** Never less than either. */
export const dearest = (a: Amount, b: Amount): Amount => ({
  once: greater(a.once, b.once),
  each: greater(a.each, b.each),
  lists: Math.max(a.lists, b.lists),
  writes: Math.max(a.writes, b.writes),
  depth: Math.max(a.depth, b.depth),
  points: Math.max(a.points, b.points),
});
