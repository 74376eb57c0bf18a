// SPDX-License-Identifier: Apache-2.0
import { rmSync } from 'node:fs';
import { describeError, hasCode, type Clock } from '@bureau/core';
import type { InstancePaths } from '@bureau/instance';
import { connect, type IpcClient } from '@bureau/ipc';
import type { Logger } from '@bureau/log';
import { untilEmpty, type Cgroup, type LimitedCgroup } from '@bureau/process';
import { relayContract, type ExitReport, type SandboxInfo, type SignalName } from '@bureau/protocol';
import type { FaultPoint, FaultPoints } from './faults.ts';
import { readExitReport, withHits } from './lifecycle-exit.ts';
import { RELAY_STOP_MARGIN } from './lifecycle-limits.ts';
import type { ProxyLink } from './lifecycle-proxy.ts';
import { removeSocketLink } from './socket-link.ts';
import { LifecycleTimes } from './lifecycle-times.ts';
import type { SandboxRecord, SandboxRecords } from './state-record.ts';

export interface LiveSandboxDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly build: string;
  readonly paths: InstancePaths;
  readonly records: SandboxRecords;
  readonly proxy: ProxyLink;
  /** Undefined: it had ended before this launcher began. */
  readonly relayGroup: Cgroup | undefined;
  readonly sandboxGroup: LimitedCgroup;
  readonly payloadUid: number;
  readonly faults: FaultPoints;
  /** Told after each change of `info`. */
  readonly onChange: (info: SandboxInfo) => void;
}

/**
 * One sandbox that has been started or found again. Its end is known by its cgroups alone, so that a launcher that was killed
 * and one that never was behave the same.
 */
export class LiveSandbox {
  readonly #deps: LiveSandboxDeps;
  #record: SandboxRecord;
  #state: SandboxInfo['state'];
  #proxyClosed: Promise<void> | undefined;
  /** The steps of its end, from the moment on at which somebody asked for it. */
  #steps: LifecycleTimes | undefined;
  readonly #released = new AbortController();
  /** Settles when nothing of the sandbox is left and its end is told; never after `release`. Never rejects. */
  readonly ended: Promise<ExitReport>;

  constructor(record: SandboxRecord, state: 'creating' | 'running', deps: LiveSandboxDeps) {
    this.#deps = deps;
    this.#record = record;
    this.#state = state;
    this.ended = this.#end().catch(() => new Promise<never>(() => undefined));
  }

  /** What was written down of it. */
  get record(): SandboxRecord {
    return this.#record;
  }

  get info(): SandboxInfo {
    const { principal, number, id, startedAt, exit } = this.#record;
    return {
      principal,
      number,
      id,
      startedAt,
      state: this.#state,
      ...(exit === undefined ? {} : { exit }),
      proxyRestarts: this.#deps.proxy.restarts,
      relaySocket: this.#deps.paths.principal(number).relaySocket,
    };
  }

  /** The payload's command runs now. */
  markRunning(): void {
    if (this.#state === 'creating') this.#change('running');
  }

  /** Feeds the proxy with the last accepted bundle. */
  async rotate(): Promise<void> {
    await this.#deps.proxy.bringUp();
  }

  /** Brings the proxy of a sandbox that was found again back, and keeps trying; ends a sandbox whose relay is dead. */
  async resume(): Promise<void> {
    await this.#endOrphan();
    await this.#deps.proxy.keepUp();
  }

  /** TERM, grace, KILL; resolves when nothing of the sandbox is left. */
  async stop(graceMilliseconds: number): Promise<ExitReport> {
    if (this.#state === 'exited') return this.ended;
    this.#change('stopping');
    this.#steps ??= new LifecycleTimes(this.#deps.clock, this.#deps.faults);
    this.#reached('destroy.stopping');
    const kill = this.#deps.clock.setTimer(graceMilliseconds + RELAY_STOP_MARGIN, () => this.#kill());
    try {
      await this.#askRelay(graceMilliseconds);
      this.#reached('destroy.payload-ended');
      // Its proxy goes while the relay does.
      void this.#closeProxy();
    } catch (error) {
      // A payload that ended a moment ago has taken its relay with it: nobody to ask, and nothing wrong.
      if (this.#deps.relayGroup?.populated() === true) {
        this.#deps.logger.warn({ principal: this.#record.principal, error: describeError(error) }, 'relay does not answer; killing');
      }
      this.#kill();
    }
    const exit = await this.ended;
    kill.clear();
    return exit;
  }

  /** To the payload's foreground group or first process. Throws what the relay says: `not_running` when it has ended or not begun. */
  async signal(signal: SignalName): Promise<void> {
    using relay = await this.#connectRelay();
    await relay.call('signal', { signal });
  }

  /** Lets go without stopping anything: from now on its end is the next launcher's to see to, and nothing of it is touched here. */
  release(): void {
    this.#released.abort();
    this.#deps.proxy.release();
  }

  /** A relay that stands still without serving, or left anything in its group: that is not empty, and nobody listens. */
  async #endOrphan(): Promise<void> {
    try {
      using _relay = await this.#connectRelay();
    } catch (error) {
      if (!hasCode(error, 'connection_refused')) return;
      this.#deps.logger.warn({ principal: this.#record.principal, id: this.#record.id }, 'its relay is dead; ending what is left');
      this.#kill();
    }
  }

  async #askRelay(graceMilliseconds: number): Promise<void> {
    using relay = await this.#connectRelay();
    await relay.call('stop', { graceMilliseconds }, { deadlineMilliseconds: graceMilliseconds + RELAY_STOP_MARGIN });
  }

  #connectRelay(): Promise<IpcClient<typeof relayContract>> {
    const { build, clock, paths, payloadUid } = this.#deps;
    const path = paths.principal(this.#record.number).relaySocket;
    return connect({ path, contract: relayContract, role: 'launcher', build, expectUid: payloadUid, clock });
  }

  #kill(): void {
    // The relay first: a payload that we kill must not be told as one that ended by itself.
    this.#deps.relayGroup?.kill();
    this.#deps.sandboxGroup.kill();
  }

  async #end(): Promise<ExitReport> {
    const { relayGroup, sandboxGroup, paths, records, logger, clock } = this.#deps;
    const { signal } = this.#released;
    if (relayGroup !== undefined) await untilEmpty(relayGroup, clock, signal);
    this.#reached('destroy.relay-gone');
    // A relay that was killed leaves a dying bwrap behind: nothing of the payload may outlive its parent.
    sandboxGroup.kill();
    await untilEmpty(sandboxGroup, clock, signal);
    this.#reached('destroy.payload-gone');
    const { number, principal } = this.#record;
    const proxyClosed = this.#closeProxy();
    const places = paths.principal(number);
    const exit = withHits(readExitReport(places.exitFile), sandboxGroup.hits());
    this.#record = { ...this.#record, exit };
    const isRecorded = this.#attempt('its end was not written down', () => records.write(this.#record));
    this.#reached('destroy.recorded');
    const groupsRemoved = this.#attemptSoon(
      'its cgroups were not removed',
      Promise.all([relayGroup?.removeSoon(), sandboxGroup.removeSoon()]),
    );
    const settled = isRecorded ? this.#attemptSoon('its end may be lost in a power cut', records.settle(number)) : undefined;
    // Until the record is there, the relay's own report is all that a later launcher could read.
    const remove = (path: string): void => {
      if (isRecorded) this.#attempt('its directory was not removed', () => rmSync(path, { recursive: true, force: true }));
    };
    // All but the proxy's, while that ends.
    for (const path of [places.relayDirectory, places.exitDirectory]) remove(path);
    await proxyClosed;
    signal.throwIfAborted();
    this.#reached('destroy.proxy-stopped');
    await groupsRemoved;
    this.#reached('destroy.groups-removed');
    this.#attempt('its socket link was not removed', () => removeSocketLink(paths, principal));
    this.#reached('destroy.link-removed');
    remove(places.directory);
    await settled;
    this.#reached('destroy.directory-removed');
    const steps = this.#steps === undefined ? {} : { milliseconds: this.#steps.milliseconds };
    logger.info({ principal, id: this.#record.id, code: exit.code, reason: exit.reason, ...steps }, 'sandbox ended');
    this.#change('exited');
    return exit;
  }

  /** Once, whoever asks first. Never rejects. */
  #closeProxy(): Promise<void> {
    const { proxy, logger } = this.#deps;
    this.#proxyClosed ??= proxy
      .close()
      .catch((error: unknown) => logger.warn({ principal: this.#record.principal, error: describeError(error) }, 'proxy was not stopped'));
    return this.#proxyClosed;
  }

  /** A step that fails (a full disk) is told; the sandbox has ended all the same, and must not run for ever in our books. */
  #attempt(failed: string, step: () => void): boolean {
    try {
      step();
      return true;
    } catch (error) {
      this.#tell(failed, error);
      return false;
    }
  }

  /** Like {@link #attempt}, for a step that is under way. */
  async #attemptSoon(failed: string, step: Promise<unknown>): Promise<void> {
    await step.catch((error: unknown) => this.#tell(failed, error));
  }

  #tell(failed: string, error: unknown): void {
    this.#deps.logger.error({ principal: this.#record.principal, id: this.#record.id, error: describeError(error) }, failed);
  }

  #reached(point: FaultPoint): void {
    (this.#steps ?? this.#deps.faults).reached(point);
  }

  #change(state: SandboxInfo['state']): void {
    this.#state = state;
    this.#deps.onChange(this.info);
  }
}
