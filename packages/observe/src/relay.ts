// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';
import { BureauError, describeError, within, type Clock, type StageTimes } from '@bureau/core';
import { writeFileAtomic } from '@bureau/files';
import { serve, type IpcServer, type Log } from '@bureau/ipc';
import { relayContract, type ExitReport, type RelayConfig } from '@bureau/protocol';
import { failureText, oneLine } from './failure-text.ts';
import { probeHealth } from './health-probe.ts';
import type { ReportToLauncher } from './launcher-reports.ts';
import * as limits from './limits.ts';
import { OutputHub } from './output-hub.ts';
import { OutputLog } from './output-log.ts';
import { PayloadInput } from './payload-input.ts';
import { payloadStdio, type PayloadStdio } from './payload-stdio.ts';
import { Payload, type PayloadEnd } from './payload.ts';
import { relayHandlers } from './relay-handlers.ts';
import { ScratchWatch } from './scratch-watch.ts';
import type { TakeOver } from './take-over.ts';

/** What a relay is given. */
export interface RelayOptions {
  readonly taken: TakeOver;
  /** The sandbox's starter; its end is bwrap's. */
  readonly starter: ChildProcess;
  readonly report: ReportToLauncher;
  readonly clock: Clock;
  readonly logger: Log;
  /** The steps of this sandbox from the take-over on; goes into the log at its end. */
  readonly times: StageTimes;
  /** Aborted when the relay itself is told to end: its payload gets `SIGTERM_GRACE_MILLISECONDS`. */
  readonly signal: AbortSignal;
}

/** Size of a terminal that nobody has sized yet. */
const FIRST_SIZE = { columns: 80, rows: 24 };
/** Code of an exit report when the command never ran: Bureau failed. */
const FAILED_CODE = 125;
const STOPPED_BEFORE = 'The sandbox was stopped before its command ran';
const REASON_MAX = 500;
const MESSAGE_MAX = 4_000;

/**
 * Runs one sandbox from its take-over to its end: serves observers, lets a command that waits run when a first `control` observer is there, keeps output and
 * exit report. Resolves when everything is told and closed. Never rejects.
 */
export async function runRelay(options: RelayOptions): Promise<void> {
  const payload = new Payload({ ...options.taken, process: options.starter }, options.clock);
  try {
    const config = await options.taken.config;
    options.times.reached('configured');
    await new Relay(config, payload, options).run();
  } catch (error) {
    await payload.kill();
    options.logger.error({ error: describeError(error) }, 'relay failed');
    options.report({ type: 'failed', message: oneLine(describeError(error), MESSAGE_MAX) });
  }
}

class Relay {
  readonly #config: RelayConfig;
  readonly #options: RelayOptions;
  readonly #hub: OutputHub;
  readonly #stdio: PayloadStdio;
  readonly #outputsEnded: Promise<unknown>;
  readonly #exit = Promise.withResolvers<ExitReport>();
  readonly #stopping = Promise.withResolvers<void>();
  readonly #payload: Payload;
  #scratch: ScratchWatch | undefined;
  #state: 'waiting' | 'running' | 'exited';
  #startedAt: number;
  #report: ExitReport | undefined;
  #stopped = false;

  constructor(config: RelayConfig, payload: Payload, options: RelayOptions) {
    this.#config = config;
    this.#options = options;
    this.#startedAt = options.clock.now();
    const { taken, clock } = options;
    this.#state = taken.gate === undefined ? 'running' : 'waiting';
    this.#stdio = payloadStdio(taken.stdio, clock);
    this.#payload = payload;
    const outputs = this.#stdio.outputs;
    this.#hub = new OutputHub({
      onPressure: (paused) => {
        for (const { stream } of outputs) {
          if (paused) stream.pause();
          else stream.resume();
        }
      },
    });
    if (this.#stdio.terminal) this.#hub.resized(FIRST_SIZE);
    const log = new OutputLog(taken.outputLog, { most: limits.LOG_MAX_BYTES, keep: limits.LOG_KEEP_BYTES }, (message) =>
      options.logger.error({}, message),
    );
    log.trim();
    for (const { from, data, logged } of taken.early) {
      if (!logged) log.append(data);
      this.#hub.publish(from, data);
    }
    this.#outputsEnded = Promise.all(
      outputs.map(({ from, stream }) => {
        stream.on('data', (data: Buffer) => {
          log.append(data);
          this.#hub.publish(from, data);
        });
        // A terminal ends with EIO.
        stream.on('error', () => undefined);
        return new Promise<void>((resolve) => stream.once('close', resolve));
      }),
    );
  }

  async run(): Promise<void> {
    const { report: tell, signal, logger, times } = this.#options;
    const server = await this.#serve();
    tell({ type: 'ready' });
    times.reached('serving');
    signal.addEventListener('abort', () => void this.#stop(limits.SIGTERM_GRACE_MILLISECONDS), { once: true });
    if (signal.aborted) void this.#stop(this.#options.taken.gate === undefined ? limits.SIGTERM_GRACE_MILLISECONDS : 0);
    let report: ExitReport;
    try {
      await this.#running();
      const end = await this.#payload.ended;
      times.reached('ended');
      report = await this.#ended(end);
      this.#finish(report);
      tell({ type: 'exited', exit: report });
    } catch (error) {
      report = await this.#failed(error);
      this.#finish(report);
      tell({ type: 'failed', message: this.#said(describeError(error), MESSAGE_MAX) });
    }
    times.reached('reported');
    const { milliseconds } = times;
    logger.info({ code: report.code, signal: report.signal, reason: report.reason, milliseconds }, 'payload ended');
    await this.#hub.drain(
      this.#options.clock,
      this.#stopped ? limits.FINISH_STOPPED_MILLISECONDS : limits.FINISH_MILLISECONDS,
      limits.FINISH_TOTAL_MILLISECONDS,
    );
    // Observers have let go; their results are on their way in this turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    await server.close();
  }

  #serve(): Promise<IpcServer> {
    const { clock, logger, taken } = this.#options;
    const handlers = relayHandlers({
      hub: this.#hub,
      stdio: this.#stdio,
      input: new PayloadInput(this.#stdio),
      status: () => ({
        state: this.#state,
        pid: this.#payload.pid ?? null,
        startedAt: this.#startedAt,
        ...(this.#report === undefined ? {} : { exit: this.#report }),
      }),
      ended: this.#exit.promise,
      signal: (name) => this.#demandRunning().signal(name),
      probe: (probe, abort) =>
        probeHealth(probe, {
          init: this.#demandRunning().pid ?? -1,
          uid: process.getuid?.() ?? -1,
          clock: this.#options.clock,
          signal: abort,
        }),
      stop: (graceMilliseconds) => this.#stop(graceMilliseconds),
    });
    const { build, allowedUids } = this.#config;
    return serve({ fd: taken.listener, contract: relayContract, handlers, role: 'relay', build, allowUids: allowedUids, clock, logger });
  }

  #demandRunning(): Payload {
    if (this.#state === 'running') return this.#payload;
    throw new BureauError('not_running', this.#state === 'exited' ? 'The payload has ended' : 'The payload does not run yet');
  }

  /** Returns when the command runs; throws when it never will. */
  async #running(): Promise<void> {
    const { gate, init, failure, runsSince } = this.#options.taken;
    if (this.#stopped && gate !== undefined) throw new BureauError('stopped', STOPPED_BEFORE);
    if (failure !== '') throw new BureauError('start_failed', failure);
    if (init === undefined) throw new BureauError('start_failed', 'bwrap ended before it made a sandbox');
    if (gate !== undefined) {
      await this.#mayRun();
      // In the same moment as the observer came.
      if (this.#stopped) throw new BureauError('stopped', STOPPED_BEFORE);
      this.#release(gate);
    }
    this.#state = 'running';
    this.#startedAt = this.#options.clock.now() - runsSince;
    this.#scratch = new ScratchWatch(init, this.#options.taken.scratch, this.#options.clock);
  }

  /** The launcher has said "go": returns when a first observer is there, if one is waited for. */
  async #mayRun(): Promise<void> {
    const early = Promise.race([
      this.#payload.ended.then(() => {
        throw new BureauError('start_failed', 'bwrap ended before the command could run');
      }),
      this.#stopping.promise.then(() => {
        throw new BureauError('stopped', STOPPED_BEFORE);
      }),
    ]);
    if (!this.#config.holdForObserver) return early;
    const { HOLD_MILLISECONDS } = limits;
    const seen = await within(this.#options.clock, HOLD_MILLISECONDS, Promise.race([this.#hub.controlled.then(() => true), early]));
    if (seen !== true)
      throw new BureauError(
        'start_failed',
        `Expected a first observer with mode "control" within ${HOLD_MILLISECONDS} ms, found nothing; the command was not run`,
      );
  }

  #release(gate: number): void {
    writeSync(gate, 'g');
    closeSync(gate);
    this.#options.times.reached('released');
    this.#options.report({ type: 'running' });
  }

  /** TERM, grace, KILL. Several at once are fine: the shortest grace counts. */
  async #stop(graceMilliseconds: number): Promise<ExitReport> {
    if (this.#state === 'exited') return this.#exit.promise;
    this.#stopped = true;
    if (this.#state === 'waiting') this.#stopping.resolve();
    else await this.#payload.stop(graceMilliseconds);
    return this.#exit.promise;
  }

  /** Reads what is left of the output, then says how it ended. */
  async #ended(end: PayloadEnd): Promise<ExitReport> {
    const full = this.#scratch?.end() ?? [];
    await this.#drainOutputs();
    const { code, signal } = end;
    const how = { ...(signal === null ? { code, signal: null } : { code: null, signal }), ...(full.length === 0 ? {} : { limits: full }) };
    if (this.#stopped) return { ...how, reason: 'stopped' };
    if (end.ran) return how;
    // Without the command's exit code bwrap failed by itself, or its init was killed from outside.
    if (signal !== null || (code ?? 0) > 128) return { ...how, reason: 'sandbox_killed' };
    return { code: FAILED_CODE, signal: null, reason: this.#reason('bwrap could not run the command') };
  }

  async #failed(error: unknown): Promise<ExitReport> {
    await this.#payload.kill();
    await this.#drainOutputs();
    if (error instanceof BureauError && error.code === 'stopped') return { code: null, signal: 'SIGKILL', reason: 'stopped' };
    return { code: FAILED_CODE, signal: null, reason: this.#reason(describeError(error)) };
  }

  #reason(message: string): string {
    return oneLine(`start_failed: ${this.#said(message, REASON_MAX)}`, REASON_MAX);
  }

  /** bwrap's own words when it left any, else `message`. */
  #said(message: string, longest: number): string {
    const said = failureText(this.#hub.tail(limits.FAILURE_TAIL_BYTES), longest);
    return said.startsWith('bwrap: ') ? said : oneLine(message, longest);
  }

  async #drainOutputs(): Promise<void> {
    this.#hub.release();
    await within(this.#options.clock, limits.DRAIN_MILLISECONDS, this.#outputsEnded);
    this.#stdio.close();
  }

  /** Tells the exit to disk and observers, in this order. */
  #finish(report: ExitReport): void {
    this.#state = 'exited';
    this.#report = report;
    try {
      // Nobody asks for it after a power cut: its directory is gone then.
      writeFileAtomic(this.#config.exitFile, `${JSON.stringify(report)}\n`, { mode: 0o600, durable: false });
    } catch (error) {
      this.#options.logger.error({ error: describeError(error) }, 'exit report was not written');
    }
    this.#exit.resolve(report);
    this.#hub.end();
  }
}
