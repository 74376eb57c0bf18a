// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '@bureau/core';
import type { RawHeaders } from './answer-sink.ts';
import type { BodyRedactor } from './body-redactor.ts';
import { headerLines } from './request-head.ts';
import { acceptOf } from './websocket.ts';

/** The head of our own 101, or `undefined` when the upstream did not agree to WebSocket with this key. */
export function switchHead(key: string, kept: RawHeaders, answered: RawHeaders): string | undefined {
  const value = (name: string): string | undefined => {
    const at = answered.findIndex((one, index) => index % 2 === 0 && one.toLowerCase() === name);
    return at === -1 ? undefined : answered[at + 1];
  };
  if (value('upgrade')?.toLowerCase() !== 'websocket' || value('sec-websocket-accept') !== acceptOf(key)) return undefined;
  return `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n${headerLines(kept)}\r\n`;
}

export interface Joined {
  readonly agent: Duplex;
  readonly fromAgent: Buffer;
  readonly upstream: Duplex;
  readonly fromUpstream: Buffer;
  /** Milliseconds that one side may leave what the other sent unread. */
  readonly stalled: number;
  /** What the upstream sends goes through it. */
  readonly redactor: BodyRedactor | undefined;
  readonly clock: Clock;
}

/** Passes bytes both ways, with the pace of the slower, until either side ends; then both are closed. Silence has no limit. */
export function joinSockets(joined: Joined, done: (toAgent: number, toUpstream: number) => void): void {
  const { agent, upstream, clock, stalled } = joined;
  const counts = { toAgent: 0, toUpstream: 0 };
  const timers = new Set<Timer>();
  let over = false;
  const end = (): void => {
    if (over) return;
    over = true;
    for (const timer of timers) timer.clear();
    agent.destroy();
    upstream.destroy();
    done(counts.toAgent, counts.toUpstream);
  };
  const pass = (from: Duplex, to: Duplex, count: 'toAgent' | 'toUpstream', first: Buffer, redactor?: BodyRedactor): void => {
    const write = (chunk: Buffer): void => {
      counts[count] += chunk.length;
      const bytes = redactor === undefined ? chunk : redactor.push(chunk);
      if (bytes.length === 0 || to.write(bytes)) return;
      from.pause();
      const timer = clock.setTimer(stalled, end);
      timers.add(timer);
      to.once('drain', () => {
        timer.clear();
        timers.delete(timer);
        from.resume();
      });
    };
    if (first.length > 0) write(first);
    from.on('data', write);
    // What was written before still goes out; a WebSocket has no half that stays open.
    from.once('end', () => to.end(redactor?.end() ?? '', end));
    from.on('error', end);
    from.once('close', end);
  };
  pass(agent, upstream, 'toUpstream', joined.fromAgent);
  pass(upstream, agent, 'toAgent', joined.fromUpstream, joined.redactor);
  agent.resume();
  upstream.resume();
}
