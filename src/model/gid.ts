/** The number of a group, as a caller gave it. */
export interface Gid {
  /** 0, which no group has, if the text is not a gid: it is answered like one that does not exist. */
  readonly number: number;
  /** What the caller wrote, for the answer. */
  readonly text: string;
}

/** A gid from the decimal string that a caller gave. */
export function readGid(text: string): Gid {
  const number = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : 0;
  return { number: Number.isSafeInteger(number) ? number : 0, text };
}

/** The gid of a group that is known. */
export function gidOf(number: number): Gid {
  return { number, text: String(number) };
}
