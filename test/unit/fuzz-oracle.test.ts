/** That the fuzz would see what must not be. */
import { describe, expect, test } from 'vitest';
import { faultsOfErrors, faultsOfText, judgeResponse, judgeResult } from '../fuzz/oracle.ts';
import { responsesIn } from '../fuzz/wire.ts';

const CANARY = 'canary-1';

test.each([
  ['a stack', 'Error: x\n    at run (native:5:3)'],
  ['a file', 'in file:///srv/app.js'],
  ['Prisma', 'Invalid `prisma.token.create()` invocation'],
  ['a code of Prisma', 'P2010'],
  ['a constraint', 'new row violates check constraint'],
  ['a statement', 'select gid from groups'],
  ['JavaScript', "Cannot read properties of undefined (reading 'x')"],
  ['the parser of JSON', 'Unexpected token } in JSON at position 4'],
  ['the stack’s end', 'Maximum call stack size exceeded'],
  ['a system error', 'connect ECONNREFUSED 10.0.0.7:5432'],
  ['what is masked', 'Something went wrong inside the gateway'],
  ['another app', `a ${CANARY} b`],
])('%s in an answer', (_, text) => {
  expect(faultsOfText(text, CANARY)).toHaveLength(1);
});

test('what the gateway says is none of that', () => {
  const said =
    'Cannot query field "x" on type "Group". Syntax Error: Unexpected Name "a". The parameter gid is wrong: it must be a number.';
  expect(faultsOfText(said, CANARY)).toEqual([]);
});

describe('results', () => {
  const error = (more: object) => ({ message: 'No', extensions: { code: 'NOT_ALLOWED' }, ...more });
  test.each<[string, unknown]>([
    ['nothing', null],
    ['a list', []],
    ['null without errors', { data: null }],
    ['neither', {}],
    ['no errors', { errors: [] }],
    ['an error without a code', { errors: [error({ extensions: {} })] }],
    ['an error with a code that is not told', { errors: [error({ extensions: { code: 'INTERNAL_SERVER_ERROR' } })] }],
    ['an error without a message', { errors: [error({ message: '' })] }],
    ['a long message', { errors: [error({ message: 'x'.repeat(2_000) })] }],
    ['more than a result has', { data: {}, stack: '' }],
  ])('%s', (_, result) => {
    expect(judgeResult(result, 100).faults).not.toEqual([]);
  });
  test('a refusal that repeats a megabyte', () => {
    expect(judgeResult({ errors: [error({})] }, 1_000_000).faults).toEqual(['a refusal of 1000000 bytes']);
  });
  test('a right one', () => {
    expect(judgeResult({ data: { a: null }, errors: [error({})] }, 100)).toEqual({ faults: [], outcome: 'data and errors' });
    expect(faultsOfErrors([error({})])).toEqual([]);
  });
});

describe('answers', () => {
  const judge = (head: string, body = '', onlyResults = false) => {
    const bytes = Buffer.from(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    return responsesIn(bytes, false).flatMap((response) => judgeResponse(response, { canary: CANARY, onlyResults }).faults);
  };
  const JSON_TYPE = 'Content-Type: application/json';
  const OP = `${JSON_TYPE}\r\nAccess-Control-Allow-Origin: *\r\nCache-Control: no-store`;
  const refusal = (code: string) => JSON.stringify({ errors: [{ message: 'No', extensions: { code } }] });

  test.each<[string, string[]]>([
    ['no HTTP', judge('nonsense')],
    ['500', judge('HTTP/1.1 500 Internal Server Error')],
    ['503 of its own accord', judge('HTTP/1.1 503 Service Unavailable')],
    ['200 without data for who takes results alone', judge(`HTTP/1.1 200 OK\r\n${JSON_TYPE}`, refusal('NOT_ALLOWED'), true)],
    ['an op that neither did nor failed', judge(`HTTP/1.1 200 OK\r\n${OP}`, '{"result":false}')],
    [
      'an op that failed within',
      judge(`HTTP/1.1 200 OK\r\n${OP}`, '{"result":false,"error":"SERVERERROR","error_description":"No."}'),
    ],
    ['an op that is no 200', judge(`HTTP/1.1 400 Bad Request\r\n${OP}`, '{"op":"x","result":true}')],
  ])('%s', (_, faults) => {
    expect(faults).not.toEqual([]);
  });
  test('right ones', () => {
    expect(judge(`HTTP/1.1 503 Service Unavailable\r\n${JSON_TYPE}`, refusal('OVERLOADED'))).toEqual([]);
    expect(judge(`HTTP/1.1 400 Bad Request\r\n${JSON_TYPE}`, refusal('BAD_REQUEST'), true)).toEqual([]);
    expect(judge(`HTTP/1.1 200 OK\r\n${OP}`, '{"op":"appstats","result":true}')).toEqual([]);
  });
});
