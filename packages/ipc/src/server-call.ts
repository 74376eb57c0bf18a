// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import type { BureauError } from '@bureau/core';
import type { CallContext, ConnectionHandle, Peer } from './handlers.ts';

/** One running request on the server. What costs something (signal, trace id) is made when a handler asks for it. */
export class ServerCall implements CallContext {
  readonly id: number;
  readonly method: string;
  readonly streaming: boolean;
  readonly peer: Peer;
  readonly connection: ConnectionHandle;
  /** On the monotonic clock; `Infinity` without a deadline. */
  readonly deadlineAt: number;
  readonly deadlineMilliseconds: number;
  #traceId: string | undefined;
  #controller: AbortController | undefined;
  #abortReason: BureauError | undefined;
  #credit: number;
  #creditWanted: (() => void) | undefined;

  constructor(options: {
    readonly id: number;
    readonly method: string;
    readonly streaming: boolean;
    readonly peer: Peer;
    readonly connection: ConnectionHandle;
    readonly deadlineAt: number;
    readonly deadlineMilliseconds: number;
    readonly traceId: string | undefined;
    readonly credit: number;
  }) {
    this.id = options.id;
    this.method = options.method;
    this.streaming = options.streaming;
    this.peer = options.peer;
    this.connection = options.connection;
    this.deadlineAt = options.deadlineAt;
    this.deadlineMilliseconds = options.deadlineMilliseconds;
    this.#traceId = options.traceId;
    this.#credit = options.credit;
  }

  get traceId(): string {
    return (this.#traceId ??= randomBytes(16).toString('hex'));
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  get aborted(): boolean {
    return this.#abortReason !== undefined;
  }

  /** Tells the handler to stop. Only the first reason counts. */
  abort(reason: BureauError): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
    this.#wake();
  }

  /** The client takes more chunks; what it grants beyond `most` is forgotten. */
  grant(count: number, most: number): void {
    this.#credit = Math.min(this.#credit + count, most);
    this.#wake();
  }

  get hasCredit(): boolean {
    return this.#credit > 0;
  }

  /** Counts one chunk that was sent. */
  spend(): void {
    this.#credit -= 1;
  }

  /** Resolves when there is credit, or the call is aborted. */
  whenCredit(): Promise<void> {
    if (this.#credit > 0 || this.#abortReason !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.#creditWanted = resolve;
    });
  }

  #wake(): void {
    this.#creditWanted?.();
    this.#creditWanted = undefined;
  }
}
