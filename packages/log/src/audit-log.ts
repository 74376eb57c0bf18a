// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import { audit, type AuditRecord } from './audit.ts';
import { AUDIT_KINDS_MAX, AUDIT_LINES_OF_ONE, AUDIT_LINES_REFUSED, AUDIT_WINDOW_MILLISECONDS } from './limits.ts';
import type { Logger } from './logger.ts';

/** What is counted and not written. */
interface Folded {
  readonly record: AuditRecord;
  times: number;
}

/**
 * Audit records of a peer that may ask without end, to fill the disk or to push what it did out of the log. In each window the first are
 * written as they are; what comes more often is counted and written once, at the window's end, with `times`. What was done keeps its
 * target in that line; what was refused is told apart by operation and reason.
 */
export class AuditLog implements Disposable {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #written = new Map<string, number>();
  readonly #folded = new Map<string, Folded>();
  #isOpen = false;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** In the log when this returns, or counted. */
  add(record: AuditRecord): void {
    if (!this.#isOpen) {
      this.#isOpen = true;
      this.#clock.setTimer(AUDIT_WINDOW_MILLISECONDS, () => this.#endWindow());
    }
    const { traceId: _each, ...same } = record;
    const isDone = record.result === 'ok';
    const { target: _refused, ...kind } = same;
    const key = JSON.stringify(isDone ? same : kind);
    const budget = isDone ? key : 'refused';
    const written = this.#written.get(budget) ?? 0;
    if (written < (isDone ? AUDIT_LINES_OF_ONE : AUDIT_LINES_REFUSED)) {
      this.#written.set(budget, written + 1);
      audit(this.#logger, record);
    } else this.#count(key, isDone ? same : kind);
  }

  /** Writes what was counted. */
  [Symbol.dispose](): void {
    for (const { record, times } of this.#folded.values()) audit(this.#logger, { ...record, times });
    this.#folded.clear();
    this.#written.clear();
  }

  #endWindow(): void {
    this[Symbol.dispose]();
    this.#isOpen = false;
  }

  #count(key: string, record: AuditRecord): void {
    // Names of operations come from the peer, so there may be any number of them.
    const isOther = !this.#folded.has(key) && this.#folded.size >= AUDIT_KINDS_MAX;
    const [name, kind] = isOther ? [record.result, { who: record.who, what: 'other', result: record.result }] : [key, record];
    const folded = this.#folded.get(name);
    if (folded === undefined) this.#folded.set(name, { record: kind, times: 1 });
    else folded.times += 1;
  }
}
