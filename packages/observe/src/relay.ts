// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError, within, type Clock, type StageTimes } from '@bureau/core';
import { writeFileAtomic } from '@bureau/files';
import { serve, type IpcServer, type Log } from '@bureau/ipc';
import { limitProcess } from '@bureau/native';
import { relayContract, type ExitReport, type RelayConfig } from '@bureau/protocol';
import type { BwrapOptions } from './bwrap-process.ts';
import { failureText, oneLine } from './failure-text.ts';
import { probeHealth } from './health-probe.ts';
import type { LauncherPipe } from './launcher-pipe.ts';
import * as limits from './limits.ts';
import { OutputHub } from './output-hub.ts';
import { OutputLog } from './output-log.ts';
import { PayloadInput } from './payload-input.ts';
import { pipeStdio, terminalStdio, type PayloadStdio } from './payload-stdio.ts';
import { Payload, type PayloadEnd } from './payload.ts';
import { refuseUnreachableDevices } from './reachable-devices.ts';
import { relayHandlers } from './relay-handlers.ts';
import { ScratchWatch } from './scratch-watch.ts';
import type { Starter } from './starter.ts';

/** What a relay is given; descriptors as the launcher passes them. */
export interface RelayOptions {
  readonly launcher: LauncherPipe;
  /** Listening Unix socket. */
  readonly listener: number;
  /** The output log, opened for reading, writing and appending. */
  readonly outputLog: number;
  readonly clock: Clock;
  readonly logger: Log;
  /** The steps of this sandbox from the order on; goes into the log at its end. */
  readonly times: StageTimes;
  /** Aborted when the relay itself is told to end: its payload gets `SIGTERM_GRACE_MILLISECONDS`. */
  readonly signal: AbortSignal;
  /** Enlisted for the sandbox's uid and groups. */
  readonly starter: Starter;
  /** See `BwrapOptions.standIn`. */
  readonly standIn?: BwrapOptions['standIn'];
}

/** Size of a terminal that nobody has sized yet. */
const FIRST_SIZE = { columns: 80, rows: 24 };
/** Code of an exit report when the command never ran: Bureau failed. */
const FAILED_CODE = 125;
const STOPPED_BEFORE = 'The sandbox was stopped before its command ran';
const REASON_MAX = 500;
const MESSAGE_MAX = 4_000;

/**
 * Runs one sandbox from its configuration to its end: serves observers, starts bwrap, lets the command run when the launcher (and, if
 * asked for, a first `control` observer) is there, keeps output and exit report. Resolves when everything is told and closed. Never rejects.
 */
export async function runRelay(options: RelayOptions): Promise<void> {
  try {
    const config = await options.launcher.config;
    options.times.reached('configured');
    await new Relay(config, options).run();
  } catch (error) {
    options.logger.error({ error: describeError(error) }, 'relay failed');
    options.launcher.report({ type: 'failed', message: oneLine(describeError(error), MESSAGE_MAX) });
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
  #payload: Payload | undefined;
  #scratch: ScratchWatch | undefined;
  #state: 'waiting' | 'running' | 'exited' = 'waiting';
  #startedAt: number;
  #report: ExitReport | undefined;
  #stopped = false;

  constructor(config: RelayConfig, options: RelayOptions) {
    this.#config = config;
    this.#options = options;
    this.#startedAt = options.clock.now();
    this.#stdio = config.terminal ? terminalStdio(FIRST_SIZE, options.clock) : pipeStdio();
    const outputs = this.#stdio.outputs;
    this.#hub = new OutputHub({
      onPressure: (paused) => {
        for (const { stream } of outputs) {
          if (paused) stream.pause();
          else stream.resume();
        }
      },
    });
    if (config.terminal) this.#hub.resized(FIRST_SIZE);
    const log = new OutputLog(options.outputLog, { most: limits.LOG_MAX_BYTES, keep: limits.LOG_KEEP_BYTES }, (message) =>
      options.logger.error({}, message),
    );
    this.#outputsEnded = Promise.all(
      outputs.map(({ from, stream }) => {
        stream.once('data', () => this.#options.times.reached('output'));
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
    const { launcher, signal, logger, times } = this.#options;
    // bwrap needs its time: it begins before everything else that the relay has to make ready.
    const starting = this.#start();
    starting.catch(() => undefined);
    const server = await this.#serveOrEnd(starting);
    launcher.report({ type: 'ready' });
    times.reached('serving');
    signal.addEventListener('abort', () => void this.#stop(limits.SIGTERM_GRACE_MILLISECONDS), { once: true });
    if (signal.aborted) void this.#stop(0);
    let report: ExitReport;
    try {
      await starting;
      times.reached('started');
      launcher.report({ type: 'started', pid: this.#payload!.pid });
      await this.#mayRun();
      this.#run();
      const end = await this.#payload!.ended;
      times.reached('ended');
      report = await this.#ended(end);
      this.#finish(report);
      launcher.report({ type: 'exited', exit: report });
    } catch (error) {
      report = await this.#failed(error);
      this.#finish(report);
      launcher.report({ type: 'failed', message: this.#said(describeError(error), MESSAGE_MAX) });
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

  /** Throws what `#serve` throws; no bwrap is left waiting then. */
  async #serveOrEnd(starting: Promise<void>): Promise<IpcServer> {
    try {
      return await this.#serve();
    } catch (error) {
      await starting.catch(() => undefined);
      await this.#payload?.kill();
      throw error;
    }
  }

  #serve(): Promise<IpcServer> {
    const { listener, clock, logger } = this.#options;
    const handlers = relayHandlers({
      hub: this.#hub,
      stdio: this.#stdio,
      input: new PayloadInput(this.#stdio),
      status: () => ({
        state: this.#state,
        pid: this.#payload?.pid ?? null,
        startedAt: this.#startedAt,
        ...(this.#report === undefined ? {} : { exit: this.#report }),
      }),
      ended: this.#exit.promise,
      signal: (name) => this.#running().signal(name),
      probe: (probe, abort) =>
        probeHealth(probe, { init: this.#running().pid, uid: process.getuid?.() ?? -1, clock: this.#options.clock, signal: abort }),
      stop: (graceMilliseconds) => this.#stop(graceMilliseconds),
    });
    const { build, allowedUids } = this.#config;
    return serve({ fd: listener, contract: relayContract, handlers, role: 'relay', build, allowUids: allowedUids, clock, logger });
  }

  #running(): Payload {
    if (this.#payload !== undefined && this.#state === 'running') return this.#payload;
    throw new BureauError('not_running', this.#state === 'exited' ? 'The payload has ended' : 'The payload does not run yet');
  }

  async #start(): Promise<void> {
    const { options, command, seccomp, mountSources, overlays, devices } = this.#config;
    if (seccomp.length === 0)
      throw new BureauError('bad_config', 'Expected a seccomp program, found none; the sandbox would have no filter');
    refuseUnreachableDevices(devices);
    const { starter, standIn } = this.#options;
    const parts = { options, command, mountSources, overlays, seccomp, stdio: this.#stdio, starter };
    const wall = { ...parts, ...(standIn === undefined ? {} : { standIn }) };
    this.#payload = await Payload.start(wall, this.#options.clock);
    // Before the payload is one: init stands still, and everything inside inherits from it.
    limitProcess(this.#payload.pid, this.#config.limits ?? {});
  }

  /** Returns when the command may run; throws when it never will. */
  async #mayRun(): Promise<void> {
    const { launcher, clock } = this.#options;
    const inTime = async <Value>(milliseconds: number, what: string, promise: Promise<Value>): Promise<Value> => {
      const found = await within(
        clock,
        milliseconds,
        promise.then((value) => ({ value })),
      );
      if (found !== undefined) return found.value;
      throw new BureauError('start_failed', `Expected ${what} within ${milliseconds} ms, found nothing; the command was not run`);
    };
    const early = Promise.race([
      this.#payload!.ended.then(() => {
        throw new BureauError('start_failed', 'bwrap ended before the command could run');
      }),
      this.#stopping.promise.then(() => {
        throw new BureauError('stopped', STOPPED_BEFORE);
      }),
    ]);
    const go = await inTime(limits.GO_MILLISECONDS, 'the launcher to say "go"', Promise.race([launcher.go, early]));
    if (!go) throw new BureauError('start_failed', 'The launcher went away before it said "go"; the command was not run');
    if (!this.#config.holdForObserver) return;
    await inTime(limits.HOLD_MILLISECONDS, 'a first observer with mode "control"', Promise.race([this.#hub.controlled, early]));
  }

  #run(): void {
    if (this.#stopped) throw new BureauError('stopped', STOPPED_BEFORE);
    this.#state = 'running';
    this.#startedAt = this.#options.clock.now();
    this.#payload!.release();
    this.#options.times.reached('released');
    this.#scratch = new ScratchWatch(this.#payload!.pid, this.#options.clock);
    this.#options.launcher.report({ type: 'running' });
  }

  /** TERM, grace, KILL. Several at once are fine: the shortest grace counts. */
  async #stop(graceMilliseconds: number): Promise<ExitReport> {
    if (this.#state === 'exited') return this.#exit.promise;
    this.#stopped = true;
    if (this.#state === 'waiting') this.#stopping.resolve();
    else await this.#payload?.stop(graceMilliseconds);
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
    await this.#payload?.kill();
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
    this.#stdio.started();
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
