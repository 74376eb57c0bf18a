// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { after } from 'node:test';
import { readFrames } from '@bureau/ipc';
import { listenUnix, openSocketPair, receiveBytes, receiveDescriptors, sendDescriptors } from '@bureau/native';
import { compileStarter, receiveTakeOver, type ProgramBuild, type TakeOver } from '@bureau/observe/testing';
import { CgroupTree, encodeOrder, identityPowers, readProcessStatus, type LimitedCgroup } from '@bureau/process';
import { encodeStartPlan, relayReport, type RelayReport, type StartPlan } from '@bureau/protocol';
import * as v from 'valibot';
import { eventually } from './process-facts.ts';

/** Below every instance's range (200000 and up); another one in each test process, since test files run side by side. */
export const STARTER_UID = 197_000 + (process.pid % 1_000);
export const BUILDS: readonly ProgramBuild[] = ['hardened', 'sanitized'];
const EMPTY_MILLISECONDS = 10_000;

/** Says what bubblewrap says when its sandbox stands, as the shell that stands in for it. */
export const STANDS = `printf '{ "child-pid": %s }\\n' $$ >&5`;
/** Waits as bubblewrap does for the command to be let run. */
export const GATE = '/usr/bin/head -c 1 <&6 >/dev/null';

/** The programs of a test file, compiled once, and its own control groups; both go with the file. */
export class StarterPrograms {
  readonly #directory = mkdtempSync(join(tmpdir(), 'bureau-starter-'));
  readonly #tree = CgroupTree.open(`bureau-starter-test-${process.pid}`);
  readonly #compiled = new Map<ProgramBuild, string>();
  #count = 0;

  constructor() {
    after(() => {
      rmSync(this.#directory, { recursive: true });
      this.#tree.remove();
    });
  }

  get tree(): CgroupTree {
    return this.#tree;
  }

  path(build: ProgramBuild): string {
    const path = this.#compiled.get(build) ?? join(this.#directory, build);
    if (!this.#compiled.has(build)) compileStarter(path, build);
    this.#compiled.set(build, path);
    return path;
  }

  /** A starter that waits for the launcher. A rehearsal is in no group, and what it makes does not end with it. */
  start(build: ProgramBuild, options: { readonly rehearsal?: boolean; readonly outputLog?: string } = {}): StarterFixture {
    this.#count += 1;
    return new StarterFixture(
      this.path(build),
      this.#tree.limited(`sandbox-${this.#count}`, {}),
      join(this.#directory, `${this.#count}`),
      options,
    );
  }

  /** The same, born as the test's uid. */
  born(build: ProgramBuild, options: { readonly outputLog?: string } = {}): StarterFixture {
    const starter = this.start(build, options);
    starter.order();
    return starter;
  }
}

/** What a plan is without a word about it: a shell that stands in for bubblewrap. */
export function planOf(script: string, more: Partial<StartPlan> = {}): StartPlan {
  return {
    ...{ line: ['/bin/sh', '-c', script], options: [], seccomp: Buffer.alloc(8), mountSources: [], devices: [] },
    ...{ terminal: false, holdForObserver: false, relay: Buffer.from('config') },
    ...more,
  };
}

/** A starter, with the test as its launcher and its relay. Its waits block this thread: a starter that has ended, or is late, ends them. */
export class StarterFixture implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly group: LimitedCgroup;
  /** All that it said on the standard error that it was started with, when it has ended. */
  readonly said: Promise<string>;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  readonly socketPath: string;
  readonly #rehearsal: boolean;
  readonly #logPath: string;
  readonly #outputPath: string;
  readonly #open = new Map<'relay' | 'launcher' | 'reports', number>();
  #taken: number[] = [];

  constructor(
    program: string,
    group: LimitedCgroup,
    prefix: string,
    { rehearsal = false, outputLog }: { readonly rehearsal?: boolean; readonly outputLog?: string },
  ) {
    this.group = group;
    this.#rehearsal = rehearsal;
    if (!rehearsal) group.create();
    this.socketPath = `${prefix}.sock`;
    this.#logPath = `${prefix}.log`;
    this.#outputPath = outputLog ?? `${prefix}.output`;
    const pairs = { relay: openSocketPair(), launcher: openSocketPair(), reports: openSocketPair() };
    const line = rehearsal ? { command: program, args: ['rehearsal'] } : identityPowers(program, []);
    this.process = spawn(line.command, line.args, {
      stdio: ['ignore', 'ignore', 'pipe', pairs.relay[1], pairs.launcher[1], pairs.reports[1]],
      env: {},
      cwd: '/',
      detached: true,
    });
    for (const [name, [ours, theirs]] of Object.entries(pairs)) {
      closeSync(theirs);
      this.#open.set(name as 'relay', ours);
    }
    this.said = text(this.process.stderr!);
    this.ended = once(this.process, 'exit').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
    }));
    if (!rehearsal) assert.equal(receiveBytes(this.#end('reports'), 1).toString(), 'w', 'it is warm');
  }

  get pid(): number {
    return this.process.pid!;
  }

  get log(): string {
    return readFileSync(this.#logPath, 'utf8');
  }

  get outputLog(): Buffer {
    return readFileSync(this.#outputPath);
  }

  /** Who to be. */
  order(uid = STARTER_UID): void {
    using birth = this.group.openForBirth();
    this.say(encodeOrder([uid]), birth.descriptors);
  }

  /** Bytes of the launcher's, with descriptors. One that has ended hears nothing. */
  say(bytes: Uint8Array | string, descriptors: readonly number[] = []): void {
    try {
      if (descriptors.length === 0) writeSync(this.#end('launcher'), Buffer.from(bytes));
      else sendDescriptors(this.#end('launcher'), Buffer.from(bytes), descriptors);
    } catch (error) {
      const { code, data } = error as { code?: string; data?: { errno?: string } };
      if (code !== 'EPIPE' && data?.errno !== 'EPIPE') throw error;
    }
  }

  /** A plan (or its bytes) behind its order; `size` is what the order says. */
  plan(plan: StartPlan | Uint8Array, size?: number): void {
    const bytes = plan instanceof Uint8Array ? plan : encodeStartPlan(plan);
    const files = [openSync(this.#logPath, 'a'), listenUnix(this.socketPath, { mode: 0o666 }), openSync(this.#outputPath, 'a+')];
    try {
      this.say(encodeOrder([size ?? bytes.length]), files);
    } finally {
      for (const file of files) closeSync(file);
    }
    if (bytes.length > 0) this.say(bytes);
  }

  /** The next word to the launcher. */
  async report(): Promise<RelayReport> {
    const size = receiveBytes(this.#end('reports'), 4);
    const frame = Buffer.concat([size, receiveBytes(this.#end('reports'), size.readUInt32BE(0))]);
    for await (const value of readFrames(Readable.from([frame]), 1_000)) return v.parse(relayReport, value);
    throw new Error('an empty frame');
  }

  /** The process that the sandbox is known by, when it stands. */
  async stands(): Promise<number> {
    const report = await this.report();
    assert.equal(report.type, 'started');
    return 'pid' in report ? report.pid : -1;
  }

  /** A plan that stands, and is let run. */
  async runs(plan: StartPlan): Promise<number> {
    this.plan(plan);
    const pid = await this.stands();
    this.say('g');
    assert.deepEqual(await this.report(), { type: 'running' });
    return pid;
  }

  /** That side goes away. Idempotent. */
  leave(side: 'relay' | 'launcher' | 'reports'): void {
    const end = this.#open.get(side);
    this.#open.delete(side);
    if (end !== undefined) closeSync(end);
  }

  /** Waits as a relay does; null when there will be nothing to take over. Without `confirm` the starter is not told that it has been. */
  takeOver({ confirm = true } = {}): TakeOver | null {
    if (receiveDescriptors(this.#end('relay'), 1, 1) === null) return null;
    const taken = receiveTakeOver(this.#end('relay'));
    if (confirm) writeSync(this.#end('relay'), 't');
    // What they say of a configuration is tested where that is read.
    taken.config.catch(() => undefined);
    const { log, listener, outputLog, status, gate, scratch, stdio } = taken;
    this.#taken.push(log, listener, outputLog, status, ...scratch, ...(gate === undefined ? [] : [gate]), ...Object.values(stdio));
    return taken;
  }

  /** Closes what was taken over. */
  close(descriptor: number): void {
    this.#taken = this.#taken.filter((each) => each !== descriptor);
    closeSync(descriptor);
  }

  /** All that is left to read of a pipe that was taken over. */
  rest(descriptor: number): Promise<Buffer> {
    this.#taken = this.#taken.filter((each) => each !== descriptor);
    return buffer(new Socket({ fd: descriptor, readable: true, writable: false }));
  }

  /** The process that it made, once both wait with their uid: each takes it by itself. */
  child(): Promise<number> {
    const isPowerless = (pid: number): boolean => readProcessStatus(pid)?.capInheritable === 0n;
    return eventually('nothing is born', () => (isPowerless(this.pid) ? this.group.pids().find(isPowerless) : undefined));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const side of ['relay', 'launcher', 'reports'] as const) this.leave(side);
    for (const descriptor of this.#taken) closeSync(descriptor);
    this.process.kill('SIGKILL');
    await this.#endAll();
    const said =
      (await this.said) +
      (await Promise.resolve()
        .then(() => this.log)
        .catch(() => ''));
    assert.doesNotMatch(said, /Sanitizer|runtime error/);
  }

  async #endAll(): Promise<void> {
    if (!this.#rehearsal) this.group.kill();
    await this.ended;
    if (this.#rehearsal) return;
    await this.group.whenEmpty(AbortSignal.timeout(EMPTY_MILLISECONDS));
    this.group.remove();
  }

  #end(side: 'relay' | 'launcher' | 'reports'): number {
    const end = this.#open.get(side);
    assert.ok(end !== undefined, `the ${side} has gone`);
    return end;
  }
}
