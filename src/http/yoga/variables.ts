import {
  coerceInputValue,
  type DocumentNode,
  type ExecutionArgs,
  GraphQLError,
  getOperationAST,
  isInputType,
  isNonNullType,
  typeFromAST,
  visit,
} from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { InputIssue } from '../../model/errors.ts';
import { MAX_ISSUES, type Path } from '../../model/issues.ts';

/**
 * GraphQL's own refusal of variables becomes INVALID_INPUT with the paths of the wrong values, from the argument on. Each
 * error has its issue; where GraphQL stops telling of them, the last error has the others, all in all at most 100.
 */
export function useVariableIssues(): Plugin {
  const refine =
    (args: ExecutionArgs) =>
    ({ result, setResult }: { result: object; setResult: (result: { errors: GraphQLError[] }) => void }) => {
      // A result without data is one of an operation that was not begun.
      if (isAsyncIterable(result) || 'data' in result || !('errors' in result)) return;
      const errors = result.errors as GraphQLError[];
      const issues = issuesOf(args);
      if (issues.length === 0) return;
      const last = errors.length - 1;
      setResult({ errors: errors.map((error, n) => withIssues(error, issues.slice(n, n < last ? n + 1 : undefined))) });
    };
  return {
    onExecute: ({ args }) => ({ onExecuteDone: refine(args) }),
    onSubscribe: ({ args }) => ({ onSubscribeResult: refine(args) }),
  };
}

function withIssues({ message, nodes, extensions }: GraphQLError, issues: InputIssue[]): GraphQLError {
  return new GraphQLError(message, { nodes, extensions: { ...extensions, code: 'INVALID_INPUT', issues } });
}

const ENOUGH = Symbol('enough');

/** What is wrong with the variables of an operation, in the order in which GraphQL finds it. */
function issuesOf({ schema, document, operationName, variableValues }: ExecutionArgs): InputIssue[] {
  const issues: InputIssue[] = [];
  let places: ReadonlyMap<string, string[]> | undefined;
  const placeOf = (name: string) => {
    places ??= placesOf(document);
    return places.get(name) ?? [name];
  };
  const add = (path: Path, message: string) => {
    issues.push({ path: path.map(String), message });
    if (issues.length === MAX_ISSUES) throw ENOUGH;
  };
  try {
    for (const { variable, type: typeNode, defaultValue } of getOperationAST(document, operationName)?.variableDefinitions ??
      []) {
      const name = variable.name.value;
      const type = typeFromAST(schema, typeNode);
      if (!isInputType(type)) continue;
      const given = variableValues && Object.hasOwn(variableValues, name);
      const value = given ? variableValues[name] : undefined;
      if (!given && (defaultValue || !isNonNullType(type))) continue;
      if (!given) add(placeOf(name), `required type "${type}" was not provided.`);
      else if (value === null && isNonNullType(type)) add(placeOf(name), `non-null type "${type}" must not be null.`);
      else {
        let place: Path | undefined;
        coerceInputValue(value, type, (path, _, { message }) => {
          place ??= placeOf(name);
          add([...place, ...path], message);
        });
      }
    }
  } catch (error) {
    if (error !== ENOUGH) throw error;
  }
  return issues;
}

/**
 * Where variables, whose names are the caller's own, stand in their document: the argument, and the way within that. Looked up
 * in one walk: a document may be long, and wrong in a hundred variables.
 */
function placesOf(document: DocumentNode): ReadonlyMap<string, string[]> {
  const places = new Map<string, string[]>();
  const way: string[] = [];
  const named = {
    enter: (node: { name: { value: string } }) => void way.push(node.name.value),
    leave: () => void way.pop(),
  };
  visit(document, {
    Argument: named,
    ObjectField: named,
    Variable({ name }, key) {
      if (way.length === 0 || places.has(name.value)) return;
      places.set(name.value, typeof key === 'number' ? [...way, String(key)] : [...way]);
    },
  });
  return places;
}
