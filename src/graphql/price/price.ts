import { type DocumentNode, type GraphQLError, type GraphQLSchema, getOperationAST, OperationTypeNode } from 'graphql';
import { GROUP_LIMITS } from '../../model/group.ts';
import { FIELDS_A_POINT, POINTS_A_WRITE } from '../../model/points.ts';
import { limitExceeded } from '../limits.ts';
import type { Amount } from './amount.ts';
import { Plan } from './plan.ts';
import { WEIGHTS } from './weights.ts';

/** What an operation may come to. */
export interface OperationLimits {
  /** Fields that execution can resolve, those in lists as often as there may be items, heavier ones by their weight. */
  maxFields: number;
  /** Groups, members and other rows, page sizes multiplied. */
  maxNodes: number;
  /** Levels of fields within each other. */
  maxDepth: number;
  /** Lists and mutations: each has statements of its own. */
  maxLists: number;
}

/** The price of an operation, known before it runs. */
export interface Price {
  fields: number;
  nodes: number;
  depth: number;
  lists: number;
  /**
   * 1, 1 for every 100 fields, 5 for each write and 1 for every 100 addresses that it writes. To start a subscription costs 1:
   * what it delivers is only known later. Taken for `usualFields`; beyond.ts has the rest.
   */
  points: number;
  /** The same as `fields`, where lists whose length nobody knows before they are read are as long as they usually are. */
  usualFields: number;
  /** The most bytes of its answer. */
  bytes: number;
}

/** What an operation may be priced by. */
export interface Operation {
  schema: GraphQLSchema;
  document: DocumentNode;
  operationName?: string | null | undefined;
  variableValues?: Readonly<Record<string, unknown>> | null | undefined;
  /** How many a group may have; always the same for one document. */
  messageTypes?: number;
}

const plans = new WeakMap<DocumentNode, Map<string, Plan>>();

/**
 * The price of an operation of a valid document; undefined where there is no such operation. It is a bound: a field that is
 * asked for twice under one name counts twice, and of types that exclude each other the dearest does.
 */
export function priceOf({ schema, document, operationName, variableValues, messageTypes }: Operation): Price | undefined {
  const operation = getOperationAST(document, operationName);
  if (!operation) return undefined;
  let byName = plans.get(document);
  if (!byName) {
    byName = new Map();
    plans.set(document, byName);
  }
  const name = operation.name?.value ?? '';
  let plan = byName.get(name);
  if (!plan) {
    plan = new Plan(schema, document, operation, messageTypes ?? GROUP_LIMITS.maxMessageTypes);
    byName.set(name, plan);
  }
  const price = toPrice(plan.amount(variableValues));
  return operation.operation === OperationTypeNode.SUBSCRIPTION ? { ...price, points: 1 } : price;
}

function toPrice({ once, lists, writes, depth, points }: Amount): Price {
  const statements = lists * WEIGHTS.statement;
  const fields = Math.ceil(once.fields) + statements;
  const usualFields = Math.ceil(once.usualFields) + statements;
  return {
    fields,
    usualFields,
    nodes: once.nodes,
    depth,
    lists: lists + writes,
    points: 1 + Math.floor(usualFields / FIELDS_A_POINT) + writes * POINTS_A_WRITE + points,
    bytes: once.bytes,
  };
}

/** Why an operation of that price is refused: the first limit that it passes. */
export function refusalOf({ depth, lists, nodes, fields }: Price, limits: OperationLimits): GraphQLError | undefined {
  const { maxDepth, maxLists, maxNodes, maxFields } = limits;
  const refused = (limit: string, max: number, asked: number, is: string) =>
    limitExceeded(limit, max, `The operation ${is}; at most ${max} are allowed`, { asked, status: 400 });
  if (depth > maxDepth) return refused('MAX_DEPTH', maxDepth, depth, `is ${depth} levels deep`);
  if (lists > maxLists) return refused('MAX_LISTS', maxLists, lists, `asks for ${lists} lists and mutations`);
  if (nodes > maxNodes) return refused('MAX_NODES', maxNodes, nodes, `asks for up to ${nodes} nodes`);
  if (fields > maxFields) return refused('MAX_FIELDS', maxFields, fields, `asks for up to ${fields} fields`);
  return undefined;
}
