import type { ExecutionArgs, ExecutionResult } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { type OperationLimits, type Price, priceOf, refusalOf } from '../../graphql/price/price.ts';

/** With the value 1 an answer has its price in its extensions, a refusal too. */
export const COST_HEADER = 'X-Rollcall-Cost';

/** Refuses operations that cost too much, before anything of them runs, whoever asks and by whatever transport. */
export function usePrice(limits: OperationLimits): Plugin {
  function begin(args: ExecutionArgs) {
    const price = priceOf(args);
    const shown = price && wantsCost(args) ? price : undefined;
    const error = price && refusalOf(price, limits);
    const answer = ({ result, setResult }: Answered) => {
      if (!isAsyncIterable(result)) setResult(withCost(shown as Price, result));
    };
    return { refused: error && withCost(shown, { errors: [error] }), answer: shown && answer };
  }
  return {
    onExecute({ args, setResultAndStopExecution }) {
      const { refused, answer } = begin(args);
      if (refused) setResultAndStopExecution(refused);
      return answer && { onExecuteDone: answer };
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const { refused, answer } = begin(args);
      if (refused) setResultAndStopExecution(refused);
      return answer && { onSubscribeResult: () => ({ onNext: answer }) };
    },
  };
}

interface Answered {
  result: ExecutionResult | AsyncIterable<unknown>;
  setResult: (result: ExecutionResult) => void;
}

function wantsCost({ contextValue }: ExecutionArgs): boolean {
  return (contextValue as { request?: Request }).request?.headers.get(COST_HEADER) === '1';
}

function withCost(price: Price | undefined, result: ExecutionResult): ExecutionResult {
  if (!price) return result;
  const { fields, nodes, lists, points } = price;
  return { ...result, extensions: { ...result.extensions, cost: { fields, nodes, lists, points } } };
}
