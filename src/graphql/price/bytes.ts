import { type GraphQLNamedType, isEnumType, isScalarType } from 'graphql';

/** Quotes, colon and comma around a name, and the brackets or the null of its value. */
const PUNCTUATION = 8;
/** No text of ours is longer, escaped: names and addresses have 256 characters, a cursor has one of them in base64. */
const TEXT = 8_192;
const SHORT: Record<string, number> = { Boolean: 5, Int: 11, Float: 24, DateTime: 26 };

/** The most bytes of a field beside its value: the name under which it is asked for is a caller's. */
export const nameBytes = (name: string): number => name.length + PUNCTUATION;

/** The most bytes of a value without fields. */
export function leafBytes(type: GraphQLNamedType): number {
  if (isEnumType(type)) return Math.max(...type.getValues().map(({ name }) => nameBytes(name)));
  return isScalarType(type) ? (SHORT[type.name] ?? TEXT) : 0;
}
