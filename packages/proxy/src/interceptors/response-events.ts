// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import type { AccessLog } from '../access-log.ts';
import { sendToRoom } from '../matrix/sending.ts';
import { Problem } from '../problem.ts';
import type { RouteServices } from '../router.ts';
import type { ResponseEvent, ResponseEventSink } from './response-event.ts';

/** What has become of them since the start. */
export interface ResponseEventCounts {
  readonly sent: number;
  /** Not sent: the answer could not be read, no grant allows it, or the homeserver refused. */
  readonly failed: number;
  /** Not even tried: too many waited. */
  readonly dropped: number;
}

export interface ResponseEventsOptions {
  readonly services: RouteServices;
  readonly access: AccessLog;
  readonly clock: Clock;
}

/** Status of a line about an event that never was asked of the homeserver, since its answer could not be used. */
const UNUSABLE = 502;

/**
 * Sends what answers became, one after the other, behind the backs of the calls: nobody waits for it, and nobody is told. Each goes out as the
 * principal's own account, by its grants at that moment, in its turn among what the agent sends to the room. At most `responseEvents`
 * wait; each that was tried leaves a line in the access log, what was dropped is counted.
 */
export class ResponseEvents implements ResponseEventSink {
  readonly #options: ResponseEventsOptions;
  readonly #waiting: ResponseEvent[] = [];
  readonly #stopped = new AbortController();
  readonly #counts = { sent: 0, failed: 0, dropped: 0 };
  #running = false;

  constructor(options: ResponseEventsOptions) {
    this.#options = options;
  }

  get counts(): ResponseEventCounts {
    return { ...this.#counts };
  }

  get full(): boolean {
    return this.#waiting.length >= this.#options.services.limits.responseEvents;
  }

  offer(event: ResponseEvent): void {
    if (this.full || this.#stopped.signal.aborted) return this.drop();
    this.#waiting.push(event);
    if (!this.#running) void this.#run();
  }

  drop(): void {
    this.#counts.dropped += 1;
  }

  fail(event: Pick<ResponseEvent, 'rule' | 'trace'>, code: string): void {
    this.#record(event, UNUSABLE, code, 0, 0);
  }

  /** Ends what is being sent and forgets what waits. Idempotent. */
  stop(): void {
    this.#stopped.abort();
    this.#counts.dropped += this.#waiting.splice(0).length;
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift()) await this.#send(event);
    this.#running = false;
  }

  /** Never rejects. */
  async #send(event: ResponseEvent): Promise<void> {
    const { services, clock } = this.#options;
    const { room, type, content, trace } = event;
    const started = clock.monotonic();
    const bytes = Buffer.byteLength(JSON.stringify(content));
    const call = { signal: () => this.#stopped.signal, trace, params: { room }, header: () => undefined };
    try {
      await sendToRoom(call, services, { type, content, transactionId: undefined });
      this.#record(event, 200, undefined, bytes, clock.monotonic() - started);
    } catch (error) {
      const { status, code } = error instanceof Problem ? error : { status: 500, code: 'internal' };
      this.#record(event, status, code, bytes, clock.monotonic() - started);
    }
  }

  #record(
    { rule, trace }: Pick<ResponseEvent, 'rule' | 'trace'>,
    status: number,
    code: string | undefined,
    bytes: number,
    ms: number,
  ): void {
    if (code === undefined) this.#counts.sent += 1;
    else this.#counts.failed += 1;
    const { access, services } = this.#options;
    const record = {
      service: 'matrix',
      method: 'PUT',
      path: rule,
      status,
      code,
      milliseconds: ms,
      bytesIn: bytes,
      bytes: 0,
      traceId: trace.id,
    };
    access.write(services.store.header?.principal, record);
  }
}
