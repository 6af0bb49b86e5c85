import {
  type DirectiveNode,
  type FieldNode,
  Kind,
  type OperationDefinitionNode,
  type ValueNode,
  valueFromASTUntyped,
} from 'graphql';
import type { Size } from './field-price.ts';

/** Variables as they were sent, with the defaults of those that were not. */
export type Sent = Readonly<Record<string, unknown>>;

export function withDefaults({ variableDefinitions }: OperationDefinitionNode, variables: Sent | null | undefined): Sent {
  const sent: Record<string, unknown> = { ...variables };
  for (const { variable, defaultValue } of variableDefinitions ?? []) {
    const name = variable.name.value;
    if (sent[name] === undefined && defaultValue) sent[name] = valueFromASTUntyped(defaultValue);
  }
  return sent;
}

const sentValue = (node: ValueNode, sent: Sent): unknown =>
  node.kind === Kind.VARIABLE ? sent[node.name.value] : valueFromASTUntyped(node, sent as Record<string, unknown>);

function hasVariable(node: ValueNode): boolean {
  if (node.kind === Kind.VARIABLE) return true;
  if (node.kind === Kind.LIST) return node.values.some(hasVariable);
  return node.kind === Kind.OBJECT && node.fields.some(({ value }) => hasVariable(value));
}

/** An argument as it was sent; undefined: it was not. */
export function sentArg({ arguments: args }: FieldNode, name: string, sent: Sent): unknown {
  const value = args?.find((arg) => arg.name.value === name)?.value;
  return value && sentValue(value, sent);
}

/** Whether the variables have a say in a size. */
export function sizeVaries(size: Size, { arguments: args = [] }: FieldNode): boolean {
  return typeof size !== 'number' && args.some(({ name, value }) => size.reads.includes(name.value) && hasVariable(value));
}

export function sizeOf(size: Size, node: FieldNode, sent: Sent): number {
  if (typeof size === 'number') return size;
  return size.of(Object.fromEntries(size.reads.map((name) => [name, sentArg(node, name, sent)])));
}

/** The conditions of a selection, from @skip and @include. */
function conditionsOf(directives: readonly DirectiveNode[] = []): { value: ValueNode; wanted: boolean }[] {
  return directives.flatMap(({ name, arguments: args }) => {
    const value = args?.find((arg) => arg.name.value === 'if')?.value;
    if (!value || (name.value !== 'skip' && name.value !== 'include')) return [];
    return [{ value, wanted: name.value === 'include' }];
  });
}

type Selected = { directives?: readonly DirectiveNode[] | undefined };

export const isSelected = ({ directives }: Selected, sent: Sent): boolean =>
  conditionsOf(directives).every(({ value, wanted }) => Boolean(sentValue(value, sent)) === wanted);

export const selectionVaries = ({ directives }: Selected): boolean =>
  conditionsOf(directives).some(({ value }) => hasVariable(value));
