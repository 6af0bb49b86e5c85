import type { ExecutionArgs } from 'graphql';
import { isPromise, type Plugin } from 'graphql-yoga';
import { pointsBeyond } from '../../graphql/price/beyond.ts';
import { type Gate, rateFields } from '../rates/gate.ts';
import { requestState } from './authentication.ts';

type Run<Result> = (args: ExecutionArgs) => Promise<Result> | Result;

/**
 * Has an operation run when the gate lets it, by whatever transport; a subscription has to be let in to start, not to stay open.
 * What other plugins refused never comes to it; it had to be read, and is charged for that. Answers say how the token stands.
 */
export function useRates(gate: Gate, mask: (error: unknown) => Error): Plugin {
  const refusal = <Result>(error: unknown) => ({ errors: [mask(error)] }) as Result;
  function gated<Result>(run: Run<Result>): Run<Result> {
    return (args) => {
      const { request } = args.contextValue as { request: Request };
      const state = requestState(request);
      const { price = { points: 1, fields: 0, usualFields: 0 }, viewer } = state;
      const settle = (result: Result): Result => {
        const points = viewer ? pointsBeyond(price, (result as { data?: unknown }).data) : 0;
        if (viewer && points > 0) void gate.charge(viewer, points);
        return result;
      };
      state.signal ??= request.signal;
      let entered: ReturnType<Gate['enter']>;
      try {
        entered = gate.enter(state, price);
      } catch (error) {
        return refusal<Result>(error);
      }
      const runWith = (leave: () => void) => runUntilOver(run, args, leave, settle);
      return isPromise(entered) ? entered.then(runWith, refusal<Result>) : runWith(entered);
    };
  }
  return {
    onParams({ request }) {
      gate.check(requestState(request));
      requestState(request).read = true;
    },
    onExecute({ executeFn, setExecuteFn }) {
      setExecuteFn(gated(executeFn as Run<unknown>));
    },
    onSubscribe({ subscribeFn, setSubscribeFn }) {
      setSubscribeFn(gated(subscribeFn as Run<unknown>));
    },
    onResponse({ request, response }) {
      const state = requestState(request);
      if (state.read) gate.read(state);
      for (const field of rateFields(state.rate)) response.headers.set(...field);
    },
  };
}

/** Runs an operation, and calls `leave` when it is over. What is at hand is not made to wait. */
function runUntilOver<Result>(
  run: Run<Result>,
  args: ExecutionArgs,
  leave: () => void,
  settle: (result: Result) => Result,
): Promise<Result> | Result {
  let result: Promise<Result> | Result;
  try {
    result = run(args);
  } catch (error) {
    leave();
    throw error;
  }
  if (isPromise(result)) return result.then(settle).finally(leave);
  leave();
  return settle(result);
}
