import { type FieldNode, Kind, type ValueNode } from 'graphql';

const calls = new WeakMap<FieldNode, string>();

/** What a field is called with, the same for the same arguments in any order. */
export function callOf(field: FieldNode): string {
  const { arguments: given } = field;
  if (!given || given.length === 0) return '';
  let call = calls.get(field);
  if (call === undefined) {
    call = inOrder(given);
    calls.set(field, call);
  }
  return call;
}

function inOrder(named: readonly { name: { value: string }; value: ValueNode }[]): string {
  return named
    .map(({ name, value }) => `${name.value}:${textOf(value)}`)
    .sort()
    .join();
}

function textOf(value: ValueNode): string {
  switch (value.kind) {
    case Kind.OBJECT:
      return `{${inOrder(value.fields)}}`;
    case Kind.LIST:
      return `[${value.values.map(textOf).join()}]`;
    case Kind.STRING:
      return JSON.stringify(value.value);
    case Kind.VARIABLE:
      return `$${value.name.value}`;
    case Kind.NULL:
      return 'null';
    default:
      return String(value.value);
  }
}
