import type { IncomingMessage, ServerResponse } from 'node:http';
import { type DocumentNode, Kind, type OperationDefinitionNode } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Viewer } from '../../access/viewer.ts';
import { unauthenticated } from '../../graphql/errors.ts';
import type { Price } from '../../graphql/price/price.ts';
import { closeAfter } from '../end-after-body.ts';
import type { Entrant } from '../rates/gate.ts';
import type { Strangers } from '../strangers.ts';
import { rootSelections } from './root-selections.ts';

/** What the plugins know of a request before its context is made; and of its operation, once it was priced. */
export interface RequestState extends Entrant {
  /** Whether it came so far as to be parsed. */
  read?: true;
  price?: Price;
}

const states = new WeakMap<Request, RequestState>();

export function requestState(request: Request): RequestState {
  let state = states.get(request);
  if (!state) {
    state = { viewer: null };
    states.set(request, state);
  }
  return state;
}

/** The viewer of an Authorization header's value; `address`: whose the request is, where it is counted by. */
export type Authenticate = (authorization: string | null | undefined, address?: string) => Promise<Viewer | null>;

/**
 * Finds out who is asking, before the body is read. Without a valid token only the schema can be asked for, and nothing
 * at all in production.
 * @param strangers told of a request with a valid token
 */
export function useAuthentication(
  authenticate: Authenticate,
  production: boolean,
  strangers: Pick<Strangers, 'addressOf' | 'known'>,
): Plugin {
  /** Once more when all of the request is there: its body may have been long in coming. */
  async function stillViewer(request: Request): Promise<Viewer | null> {
    const state = requestState(request);
    const authorization = request.headers.get('authorization');
    if (state.viewer && authorization) state.viewer = await authenticate(authorization);
    return state.viewer;
  }
  return {
    async onRequestParse({ request, endResponse, fetchAPI, serverContext }) {
      const state = requestState(request);
      const { req } = serverContext as { req?: IncomingMessage };
      state.viewer = await authenticate(request.headers.get('authorization'), req && strangers.addressOf(req));
      if (state.viewer && req) strangers.known(req);
      if (state.viewer || !production) return;
      const { message, extensions } = unauthenticated();
      const body = { errors: [{ message, extensions: { code: extensions['code'] } }] };
      const headers = { 'Content-Type': 'application/json; charset=utf-8', 'WWW-Authenticate': 'Bearer' };
      endResponse(new fetchAPI.Response(JSON.stringify(body), { status: 401, headers }));
    },
    onResponse({ request, response, serverContext }) {
      // Nothing is kept for who has shown no token.
      const { req, res } = serverContext as { req?: IncomingMessage; res?: ServerResponse };
      const refused = response.status === 401 || (response.status === 429 && !requestState(request).viewer);
      if (refused && req && res) closeAfter(req, res);
    },
    async onExecute({ args, setResultAndStopExecution }) {
      const viewer = await stillViewer(args.contextValue.request);
      if (!viewer && !asksOnlyForTheSchema(args.document, args.operationName)) {
        setResultAndStopExecution({ errors: [unauthenticated()] });
      }
    },
    async onSubscribe({ args, setResultAndStopExecution }) {
      const viewer = await stillViewer(args.contextValue.request);
      if (!viewer) setResultAndStopExecution({ errors: [unauthenticated()] });
    },
  };
}

/** Whether an operation's root fields are all __schema, __type or __typename. */
function asksOnlyForTheSchema(document: DocumentNode, operationName: string | null | undefined): boolean {
  const operations = document.definitions.filter(
    (definition): definition is OperationDefinitionNode => definition.kind === Kind.OPERATION_DEFINITION,
  );
  const operation = operationName ? operations.find(({ name }) => name?.value === operationName) : operations[0];
  if (operation?.operation !== 'query') return false;
  return rootSelections(document, operation).every(
    (selection) => selection.kind !== Kind.FIELD || selection.name.value.startsWith('__'),
  );
}
