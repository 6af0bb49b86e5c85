/** Connections of watchers by hand, so that they can be cut and stalled: one stream each. */
import { request } from 'node:http';
import type { GraphQLFormattedError } from 'graphql';
import { WebSocket } from 'ws';

// biome-ignore lint/suspicious/noExplicitAny: what the operation asks for
export type Event = Record<string, any>;

export interface Handlers {
  event(event: Event): void;
  /** Once: with "complete", the code of an error, or "lost". */
  end(how: string): void;
}

export interface Connection {
  pause(): void;
  resume(): void;
  /** Cut without a word. */
  cut(): void;
}

export interface Operation {
  query: string;
  variables: object;
  token: string;
}

interface Result {
  data?: Record<string, Event> | null;
  errors?: GraphQLFormattedError[];
}

const codeOf = (errors: readonly GraphQLFormattedError[]) => String(errors[0]?.extensions?.['code'] ?? errors[0]?.message);

function once(handlers: Handlers): Handlers {
  let over = false;
  return {
    event: (event) => {
      if (!over) handlers.event(event);
    },
    end: (how) => {
      if (!over) handlers.end(how);
      over = true;
    },
  };
}

function take({ data, errors }: Result, { event, end }: Handlers): void {
  if (errors) end(codeOf(errors));
  else event(Object.values(data ?? {})[0] as Event);
}

export function connectSocket(url: string, { query, variables, token }: Operation, given: Handlers): Connection {
  const handlers = once(given);
  const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws', { handshakeTimeout: 5_000 });
  const send = (message: object) => socket.send(JSON.stringify(message));
  socket.on('open', () => send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
  socket.on('message', (data) => {
    const { type, payload } = JSON.parse(String(data));
    if (type === 'connection_ack') send({ type: 'subscribe', id: '1', payload: { query, variables } });
    if (type === 'next') take(payload, handlers);
    if (type === 'error') handlers.end(codeOf(payload));
    if (type === 'complete') handlers.end('complete');
    if (type === 'error' || type === 'complete') socket.close();
  });
  socket.on('error', () => {});
  socket.on('close', () => handlers.end('lost'));
  return {
    pause: () => socket.readyState === WebSocket.OPEN && socket.pause(),
    resume: () => socket.resume(),
    cut() {
      handlers.end('cut');
      socket.terminate();
    },
  };
}

export function connectEvents(url: string, { query, variables, token }: Operation, given: Handlers): Connection {
  const handlers = once(given);
  const headers = { 'Content-Type': 'application/json', Accept: 'text/event-stream', Authorization: `Bearer ${token}` };
  const asked = request(url, { method: 'POST', headers });
  let pause = () => {};
  let resume = () => {};
  asked.on('error', () => handlers.end('lost'));
  asked.on('response', (response) => {
    let rest = '';
    response.setEncoding('utf8').on('error', () => {});
    response.on('data', (text: string) => {
      const parts = (rest + text).split('\n\n');
      rest = parts.pop() ?? '';
      for (const part of parts) takeEvent(part, handlers);
    });
    response.on('close', () => handlers.end('lost'));
    pause = () => response.pause();
    resume = () => response.resume();
  });
  asked.end(JSON.stringify({ query, variables }));
  return {
    pause: () => pause(),
    resume: () => resume(),
    cut() {
      handlers.end('cut');
      asked.destroy();
    },
  };
}

function takeEvent(text: string, handlers: Handlers): void {
  const lines = text.split('\n');
  if (lines.includes('event: complete')) handlers.end('complete');
  const data = lines.find((line) => line.startsWith('data: '));
  const id = lines.find((line) => line.startsWith('id: '))?.slice(4);
  if (!data) return;
  const result = JSON.parse(data.slice(6)) as Result;
  const [event] = Object.values(result.data ?? {});
  if (event && id !== event['cursor']) handlers.end(`the id ${id} is not the cursor`);
  else take(result, handlers);
}
