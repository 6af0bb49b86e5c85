/** What generated requests may name. The order is the same in every world, so that a case names the same things in each. */
export interface Names {
  /** Of groups: the app's own, one that was deleted, one of another app, none. */
  gids: readonly string[];
  addresses: readonly string[];
  /** Global ids, of any type. */
  ids: readonly string[];
  tokens: readonly Token[];
}

export interface Token {
  /** What is printed in its place. */
  name: string;
  /** The value of the Authorization header; undefined: none. */
  authorization: string | undefined;
}

/** The secret alone, as an op has it. */
export const secretOf = ({ authorization = '' }: Token): string => authorization.replace(/^Bearer /, '');
