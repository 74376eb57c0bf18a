// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '@bureau/core';
import type { ResponseEventSink } from '../interceptors/response-event.ts';
import type { ProxyLimits } from '../limits.ts';
import type { Problem } from '../problem.ts';
import type { Generation } from '../store.ts';
import type { Trace } from '../trace.ts';

/** How a forwarded request ended. */
export interface CallEnd {
  /** What the agent was told; 499 when it had gone. */
  readonly status: number;
  /** Of the answer's body, as far as it was sent; after a change of protocol all that went to the agent. */
  readonly bytes: number;
  /** Of the request's body, as far as it was read. */
  readonly bytesIn: number;
  /** To be told to the agent, when nothing was sent yet; for the log otherwise. */
  readonly problem: Problem | undefined;
}

export interface CallOptions {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Below the service's URL: path and query as they came. */
  readonly target: string;
  readonly service: string;
  readonly trace: Trace;
  /** The keys in use at the time of the call. */
  readonly current: () => Generation;
  readonly limits: ProxyLimits;
  readonly clock: Clock;
  /** Where answers go that become events. */
  readonly events: ResponseEventSink;
  /** The agent's connection, when it asks for WebSocket. */
  readonly upgrade?: { readonly socket: Duplex; readonly head: Buffer } | undefined;
  /** Called once, when all is over. */
  readonly done: (end: CallEnd) => void;
}
