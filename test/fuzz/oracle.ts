/** What has to hold of everything that a gateway says, whatever it was asked. */
import type { Response } from './wire.ts';

/** The codes that stand in `errors`: those of README. */
const CODES: ReadonlySet<unknown> = new Set([
  ...['UNAUTHENTICATED', 'NOT_ALLOWED', 'INVALID_INPUT', 'GROUP_NOT_FOUND', 'LIMIT_EXCEEDED', 'RATE_LIMITED', 'OVERLOADED'],
  ...['BAD_REQUEST', 'TIMEOUT', 'GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED', 'OPERATION_RESOLUTION_FAILURE'],
  ...['BAD_CURSOR', 'CURSOR_EXPIRED', 'TOKEN_REVOKED', 'TOKEN_EXPIRED', 'LEFT_GROUP', 'SERVER_STOPPING'],
]);
const OP_CODES: ReadonlySet<unknown> = new Set([
  ...['BADOP', 'AUTHFAIL', 'MISSINGPARA', 'BADPARA', 'BADGROUP', 'BADUSER', 'NOTMEMBER', 'TOOLARGE', 'RATELIMIT'],
]);

/** What only somebody within would say. Nothing that is generated contains it. */
const LEAKS: readonly RegExp[] = [
  /\n\s+at .+:\d+/,
  /node_modules|node:internal|file:\/\/|\/src\/|\.[jt]s:\d+/,
  /prisma|PGlite|pg_|postgres|SQLSTATE|\bP20\d\d\b/i,
  /violates|syntax error at or near|invalid input syntax|canceling statement|duplicate key|out of range for type|null value in column/i,
  /relation "|column "|\b(select|insert into|update|delete from) [\w"]+ (from|set|where|values)\b/i,
  /Cannot read propert|is not a function|is not iterable|is not a constructor|undefined is not/,
  /Maximum call stack|Unexpected (token|end of JSON)|Invalid array length|Invalid string length|heap out of memory|Cannot convert/,
  /ECONN|EPIPE|ENOENT|ERR_[A-Z]+|TypeError|RangeError|ReferenceError|SyntaxError|AggregateError/,
  /\[object Object\]|Something went wrong inside|Unexpected error|Internal server error|INTERNAL_SERVER_ERROR/i,
];

/** The largest refusal, in bytes: a hundred errors or issues, each of a thousand characters. */
const MOST_REFUSED = 300_000;
const MOST_OP_REFUSED = 3_000;
const MOST_MESSAGE = 1_001;

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** What is wrong with text that came; `canary` stands in all that another app has. */
export function faultsOfText(text: string, canary: string): string[] {
  const leaks = LEAKS.map((leak) => leak.exec(text)).filter((found) => found !== null);
  const faults = leaks.map((found) => `it tells ${JSON.stringify(text.slice(Math.max(0, found.index - 80), found.index + 150))}`);
  if (text.includes(canary)) faults.push('it tells of another app');
  return faults;
}

/** What is wrong with a result of GraphQL, and in a word or two what it is. */
export function judgeResult(result: unknown, bytes: number): { faults: string[]; outcome: string } {
  if (!isObject(result)) return { faults: ['it is no result'], outcome: 'nothing' };
  const { data, errors, extensions: _, ...rest } = result;
  const faults: string[] = [];
  if (Object.keys(rest).length > 0) faults.push(`it has ${Object.keys(rest)}`);
  if (errors !== undefined) faults.push(...faultsOfErrors(errors));
  else if (!isObject(data)) faults.push('it has neither data nor errors');
  if (!isObject(data) && bytes > MOST_REFUSED) faults.push(`a refusal of ${bytes} bytes`);
  const codes = Array.isArray(errors) ? errors.map((error) => error?.extensions?.code) : [];
  return { faults, outcome: isObject(data) ? (codes.length > 0 ? 'data and errors' : 'data') : String(codes[0]) };
}

export function faultsOfErrors(errors: unknown): string[] {
  if (!Array.isArray(errors) || errors.length === 0) return ['its errors are none'];
  return errors.flatMap((error) => {
    const { message, extensions } = isObject(error) ? error : {};
    if (typeof message !== 'string' || message === '') return ['an error without a message'];
    if (message.length > MOST_MESSAGE) return [`a message of ${message.length} characters`];
    const code = isObject(extensions) ? extensions['code'] : undefined;
    return CODES.has(code) ? [] : [`the code ${code}: ${message.slice(0, 200)}`];
  });
}

/** What is wrong with an answer of the op endpoint. */
function judgeOp(text: string): { faults: string[]; outcome: string } {
  const answer: unknown = JSON.parse(text);
  if (!isObject(answer)) return { faults: ['it is no answer to an op'], outcome: 'nothing' };
  const { result, error, error_description: sentence, op } = answer;
  if (result === true) return { faults: error === undefined ? [] : ['it failed and did not'], outcome: `op ${op}` };
  const faults = OP_CODES.has(error) ? [] : [`the code ${error}`];
  if (typeof sentence !== 'string' || !/^[A-Z“].*\.$/.test(sentence)) faults.push(`no sentence: ${sentence}`);
  if (text.length > MOST_OP_REFUSED) faults.push(`a refusal of ${text.length} characters`);
  return { faults, outcome: `op ${error}` };
}

export interface Judged {
  faults: string[];
  /** One or two words for each thing that was said. */
  outcomes: string[];
}

/** @param onlyResults the client takes `application/graphql-response+json` alone: what has no data is no 2xx */
export function judgeResponse(response: Response, { canary, onlyResults }: { canary: string; onlyResults: boolean }): Judged {
  const { status, headers, body, whole } = response;
  const text = body.toString();
  const type = headers.get('content-type') ?? '';
  if (status === 0) return { faults: ['it is no HTTP'], outcomes: ['garbage'] };
  // GraphiQL's page, which has the sources of many libraries.
  if (status === 200 && type.startsWith('text/html') && headers.has('content-security-policy'))
    return { faults: [], outcomes: ['page'] };
  const faults = faultsOfText(text + [...headers.values()].join('\n'), canary);
  const overloaded = status === 503 && /"code":"OVERLOADED"/.test(text);
  if (status >= 500 && !overloaded) faults.push(`HTTP ${status}`);
  if (type.startsWith('text/event-stream')) {
    const said = [...text.matchAll(/^event: next\ndata: (.*)$/gm)].map(([, json = '']) =>
      judgeResult(JSON.parse(json), json.length),
    );
    return {
      faults: [...faults, ...said.flatMap((each) => each.faults)],
      outcomes: said.map(({ outcome }) => `event ${outcome}`),
    };
  }
  if (!type.includes('json') || body.length === 0 || !whole) return { faults, outcomes: [`HTTP ${status}`] };
  if (headers.get('access-control-allow-origin') === '*' && headers.get('cache-control') === 'no-store') {
    const { faults: more, outcome } = judgeOp(text);
    if (status !== 200) more.push(`HTTP ${status} of the op endpoint`);
    return { faults: [...faults, ...more], outcomes: [outcome] };
  }
  const result: unknown = JSON.parse(text);
  const judged = judgeResult(result, body.length);
  if (onlyResults && status < 400 && isObject(result) && result['data'] === undefined) judged.faults.push('2xx without data');
  return { faults: [...faults, ...judged.faults], outcomes: [judged.outcome] };
}
