// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName, Timer } from '@bureau/core';
import type { ExitReport, SandboxSpec } from '@bureau/protocol';
import type { Judge } from './judge.ts';
import type { SimulatedTime } from './simulated-time.ts';

/** A payload that runs, whatever becomes of the launcher that started it. */
export interface Payload {
  readonly principal: PrincipalName;
  readonly id: string;
  readonly spec: SandboxSpec;
  /** `payload.json` and `trigger.json`. */
  files: Pick<SandboxSpec, 'payload' | 'trigger'>;
}

/** Told when a payload has started, and when one has ended. */
export interface PayloadWatcher {
  started(payload: Payload): void;
  ended(payload: Payload, exit: ExitReport): void;
}

interface Running {
  readonly payload: Payload;
  /** From when on it is not well; by simulated time. */
  readonly sickFrom: number;
  readonly ends: Timer | undefined;
}

/**
 * The part of a machine that outlives its daemons: payloads and their exit reports. A command is `serve` (until it is stopped),
 * `serve sick MILLISECONDS` (is well for so long, and then never again) or `exit CODE MILLISECONDS`.
 */
export class FakeMachine {
  readonly #time: SimulatedTime;
  readonly #judge: Judge;
  readonly #watcher: PayloadWatcher;
  readonly #running = new Set<Running>();
  /** What relays wrote down; in memory, so gone with the power. */
  readonly #reports = new Map<PrincipalName, { readonly id: string; readonly exit: ExitReport }>();
  /** The launcher of now; told of ends. */
  onEnd: (payload: Payload, exit: ExitReport) => void = () => undefined;

  constructor(time: SimulatedTime, judge: Judge, watcher: PayloadWatcher) {
    this.#time = time;
    this.#judge = judge;
    this.#watcher = watcher;
  }

  get payloads(): readonly Payload[] {
    return [...this.#running].map(({ payload }) => payload);
  }

  of(principal: PrincipalName): Payload | undefined {
    return this.payloads.find((payload) => payload.principal === principal);
  }

  report(principal: PrincipalName, id: string): ExitReport | undefined {
    const report = this.#reports.get(principal);
    return report?.id === id ? report.exit : undefined;
  }

  dropReport(principal: PrincipalName): void {
    this.#reports.delete(principal);
  }

  start(principal: PrincipalName, id: string, spec: SandboxSpec): Payload {
    const payload: Payload = { principal, id, spec, files: { payload: spec.payload, trigger: spec.trigger } };
    const others = this.payloads.filter((other) => other.principal === principal);
    if (others.length > 0) this.#judge.violated('one instance', `${id} of ${principal} starts while ${others[0]?.id} runs`);
    this.#judge.tell('machine', `${principal} ${id.slice(-8)} starts: ${spec.command.join(' ')}`);
    const [name, code, milliseconds] = spec.command;
    const ends =
      name === 'exit' ? this.#time.after(Number(milliseconds), () => this.end(payload, { code: Number(code), signal: null })) : undefined;
    const sickFrom = isSickly(spec.command) ? this.#time.now + Number(spec.command[2]) : Infinity;
    this.#running.add({ payload, ends, sickFrom });
    this.#watcher.started(payload);
    return payload;
  }

  /** Ends a payload, by itself or killed; its relay writes the report. Nothing happens when it has ended. */
  end(payload: Payload, exit: ExitReport): void {
    const running = [...this.#running].find((each) => each.payload === payload);
    if (running === undefined) return;
    this.#running.delete(running);
    running.ends?.clear();
    this.#reports.set(payload.principal, { id: payload.id, exit });
    this.#judge.tell('machine', `${payload.principal} ${payload.id.slice(-8)} ended: ${exit.reason ?? `code ${exit.code}`}`);
    this.#watcher.ended(payload, exit);
    this.onEnd(payload, exit);
  }

  /** What a payload answers when it is asked how it is; `undefined`: nobody is there. */
  isWell(principal: PrincipalName, id: string): boolean | undefined {
    const running = [...this.#running].find(({ payload }) => payload.principal === principal && payload.id === id);
    return running === undefined ? undefined : this.#time.now < running.sickFrom;
  }

  /** Everything that is not on disk is gone. */
  powerCut(): void {
    for (const { ends } of this.#running) ends?.clear();
    this.#running.clear();
    this.#reports.clear();
  }
}

/** Whether a command is of one that does not stay well. */
export function isSickly(command: readonly string[]): boolean {
  return command[1] === 'sick';
}
