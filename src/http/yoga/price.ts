import { type ExecutionArgs, type ExecutionResult, GraphQLError, getOperationAST, OperationTypeNode } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { limitExceeded } from '../../graphql/limits.ts';
import { type OperationLimits, type Price, priceOf, refusalOf } from '../../graphql/price/price.ts';
import { GROUP_LIMITS } from '../../model/group.ts';
import { jsonWithin } from '../json-within.ts';
import { requestState } from './authentication.ts';

/** With the value 1 an answer has its price in its extensions, a refusal too. */
export const COST_HEADER = 'X-Rollcall-Cost';

export interface PriceLimits extends OperationLimits {
  /** The largest answer, and the largest event of a stream, in bytes. */
  responseLimit: number;
  maxMessageTypes: number;
}

/** An answer that may come with a way of its own to be written: Yoga asks it. */
type Result = ExecutionResult & { stringify?: (result: ExecutionResult) => string };

interface Answered {
  result: Result | AsyncIterable<unknown>;
  setResult: (result: Result) => void;
}

/**
 * Refuses operations that cost too much, before anything of them runs, whoever asks and by whatever transport; and answers
 * that are too large, where the price says that they may be.
 */
export function usePrice({ responseLimit, maxMessageTypes, ...limits }: PriceLimits): Plugin {
  // Where the limit was lowered, groups may still have as many as before.
  const messageTypes = Math.max(maxMessageTypes, GROUP_LIMITS.maxMessageTypes);
  function begin(args: ExecutionArgs) {
    const price = priceOf({ ...args, messageTypes });
    const { request } = args.contextValue as { request?: Request };
    if (price && request) requestState(request).price = price;
    const shown = price && wantsCost(args) ? price : undefined;
    const error = price && refusalOf(price, limits);
    return { refused: error && withCost(shown, { errors: [error] }), shown, mayBeLarge: price && price.bytes > responseLimit };
  }
  return {
    onExecute({ args, setResultAndStopExecution }) {
      const { refused, shown, mayBeLarge } = begin(args);
      if (refused) setResultAndStopExecution(refused);
      if (refused || (!shown && !mayBeLarge)) return undefined;
      return {
        async onExecuteDone({ result, setResult }: Answered) {
          if (isAsyncIterable(result)) return;
          const { data } = result;
          const text = mayBeLarge && data ? await jsonWithin(data, responseLimit) : '';
          if (text === undefined) setResult(withCost(shown, tooLarge(args, responseLimit)));
          else setResult(withCost(shown, text ? { ...result, stringify: (whole) => written(whole, data, text) } : result));
        },
      };
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const { refused, shown, mayBeLarge } = begin(args);
      if (refused) setResultAndStopExecution(refused);
      if (refused || (!shown && !mayBeLarge)) return undefined;
      return {
        onSubscribeResult: () => ({
          async onNext({ result, setResult }: Answered) {
            if (isAsyncIterable(result)) return;
            // It ends the stream: nobody is to miss an event and not know.
            if (mayBeLarge && (await jsonWithin(result.data, responseLimit)) === undefined)
              throw largerThan(responseLimit, 'event');
            setResult(withCost(shown, result));
          },
        }),
      };
    },
  };
}

const largerThan = (limit: number, what: string, more = '') =>
  limitExceeded('RESPONSE_LIMIT', limit, `The ${what} would have more than ${limit} bytes${more}`);

/** A mutation has been carried out: its answer says so, and is no HTTP error. */
function tooLarge({ document, operationName }: ExecutionArgs, limit: number): Result {
  if (getOperationAST(document, operationName)?.operation === OperationTypeNode.MUTATION) {
    return { errors: [largerThan(limit, 'answer', '; what the mutation did stands')], data: null };
  }
  const { message, extensions } = largerThan(limit, 'answer');
  return { errors: [new GraphQLError(message, { extensions: { ...extensions, http: { status: 400 } } })] };
}

/** An answer whose data is text already. */
function written({ ...whole }: Result, data: unknown, text: string): string {
  const parts = Object.entries(whole).filter(([, value]) => value !== undefined && typeof value !== 'function');
  return `{${parts.map(([name, value]) => `${JSON.stringify(name)}:${value === data ? text : JSON.stringify(value)}`).join(',')}}`;
}

function wantsCost({ contextValue }: ExecutionArgs): boolean {
  return (contextValue as { request?: Request }).request?.headers.get(COST_HEADER) === '1';
}

function withCost(price: Price | undefined, result: Result): Result {
  if (!price) return result;
  const { fields, nodes, lists, points } = price;
  return { ...result, extensions: { ...result.extensions, cost: { fields, nodes, lists, points } } };
}
