// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { chownSync, closeSync, constants, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Socket } from 'node:net';
import { Readable, type Writable } from 'node:stream';
import { connect, readFrames, type IpcClient } from '@bureau/ipc';
import { listenUnix, sendDescriptors } from '@bureau/native';
import {
  CgroupTree,
  encodeOrder,
  identityPowers,
  readProcessStatus,
  readProcesses,
  systemClock,
  type LimitedCgroup,
} from '@bureau/process';
import { relayContract, relayReport, type ExitReport, type OutputChunk, type RelayReport } from '@bureau/protocol';
import * as v from 'valibot';
import type { RelayProgram } from '@bureau/observe/testing';
import { relayPlan, type RelayPlanOptions } from './relay-plan.ts';

/**
 * Another one in each test process, since test files run side by side and each ends whatever has its uid. Above the range of every instance and of
 * every other test (`TEST_UID_BASE`), below 2^31: no pid reaches 2^22.
 */
export const TEST_UID = 2 ** 31 - 2 ** 22 + process.pid;
/** Any single wait in a test; nothing here takes a tenth of it. */
const WAIT_MILLISECONDS = 20_000;

let fixtures = 0;

export interface RelayFixtureOptions extends RelayPlanOptions {
  readonly exitFile?: string;
  /** Instead of the plan. */
  readonly rawPlan?: Uint8Array;
  /** Instead of the order with `TEST_UID`. */
  readonly order?: Uint8Array;
  /** Descriptors behind 4, which the relay is not told about: what a careless launcher leaves open. */
  readonly stray?: readonly number[];
}

/**
 * A running relay, as the launcher sees it. Disposing asserts that nothing of its uid lives. Only when the relay itself still lived are
 * it and its sandbox killed first, as the launcher does by cgroup: bwrap's init does not die with a relay that is killed before "go".
 */
export class RelayFixture implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly socket: string;
  readonly exitFile: string;
  readonly logFile: string;
  readonly outputFile: string;
  readonly #directory: string;
  /** The sandbox's, as the launcher makes it. */
  readonly #group: LimitedCgroup;
  /** Of this fixture alone: it goes with it. */
  readonly #tree: CgroupTree;
  readonly #reports: AsyncGenerator<unknown, void>;
  readonly #clients: IpcClient<typeof relayContract>[] = [];

  constructor(program: RelayProgram, command: readonly string[], options: RelayFixtureOptions = {}) {
    const { stray = [], order = encodeOrder([TEST_UID]) } = options;
    fixtures += 1;
    this.#tree = CgroupTree.open(`bureau-relay-test-${process.pid}-${fixtures}`);
    this.#group = this.#tree.limited('sandbox', {});
    this.#group.create();
    this.#directory = mkdtempSync(join(tmpdir(), 'bureau-relay-'));
    chownSync(this.#directory, TEST_UID, TEST_UID);
    mkdirSync(join(this.#directory, 'exit'));
    chownSync(join(this.#directory, 'exit'), TEST_UID, TEST_UID);
    this.socket = join(this.#directory, 'relay.sock');
    this.exitFile = options.exitFile ?? join(this.#directory, 'exit/exit.json');
    this.logFile = join(this.#directory, 'relay.log');
    this.outputFile = join(this.#directory, 'output.log');
    const log = openSync(this.logFile, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o600);
    const output = openSync(this.outputFile, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o600);
    const listener = listenUnix(this.socket, { mode: 0o666 });
    const line = identityPowers(program.node, [program.script]);
    this.process = spawn(line.command, line.args, {
      env: {},
      cwd: '/',
      detached: true,
      stdio: ['ignore', log, log, 'pipe', 'pipe', ...stray],
    });
    using birth = this.#group.openForBirth();
    sendDescriptors(this.process.stdio[3] as Socket, order, birth.descriptors);
    const plan = options.rawPlan ?? relayPlan(program, command, options, { uid: TEST_UID, exitFile: this.exitFile });
    sendDescriptors(this.process.stdio[3] as Socket, encodeOrder([plan.length]), [log, listener, output]);
    this.launcherPipe.on('error', () => undefined);
    this.launcherPipe.write(plan);
    for (const descriptor of [log, output, listener]) closeSync(descriptor);
    this.exited = new Promise((resolve) => this.process.once('exit', (code) => resolve(code)));
    this.#reports = readFrames(Readable.from(behindFirstByte(this.process.stdio[4] as Readable)), 16 * 1024);
  }

  /** The launcher's end of descriptor 3. */
  get launcherPipe(): Writable {
    return this.process.stdio[3] as Writable;
  }

  /** The next report; fails the test when it is of another type. */
  async report<T extends RelayReport['type']>(type: T): Promise<Extract<RelayReport, { type: T }>> {
    const { value, done } = await within(this.#reports.next(), `report ${type}`);
    assert.ok(done !== true, `relay ended instead of ${type}: ${this.log}`);
    const report = v.parse(relayReport, value);
    assert.equal(report.type, type, JSON.stringify(report));
    return report as Extract<RelayReport, { type: T }>;
  }

  /** The message of `failed`, before which others may come, but no command that runs. */
  async failure(): Promise<string> {
    for (;;) {
      const { value } = await within(this.#reports.next(), 'report failed');
      const report = v.parse(relayReport, value);
      if (report.type === 'failed') return report.message;
      assert.ok(report.type === 'started' || report.type === 'ready', report.type);
    }
  }

  /** Says that the command may run, when the sandbox stands; its init's pid. The relay takes over. */
  async go(): Promise<number> {
    const { pid } = await this.report('started');
    this.launcherPipe.end('g');
    return pid;
  }

  /** Until the relay serves a command that runs. */
  async running(): Promise<number> {
    const pid = await this.go();
    await this.report('running');
    await this.report('ready');
    return pid;
  }

  /** What a launcher's death looks like to the relay. */
  launcherDies(): void {
    for (const index of [3, 4]) (this.process.stdio[index] as Readable).destroy();
  }

  async connect(limits: { streamCredit?: number } = {}): Promise<IpcClient<typeof relayContract>> {
    const client = await connect({
      path: this.socket,
      contract: relayContract,
      role: 'test',
      build: 'test',
      expectUid: TEST_UID,
      clock: systemClock,
      limits,
    });
    this.#clients.push(client);
    return client;
  }

  async attach(mode: 'control' | 'observe', more: { replay?: number; columns?: number; rows?: number } = {}): Promise<View> {
    const client = await this.connect();
    return new View(client, client.stream('attach', { mode, ...more }));
  }

  get log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  get output(): Buffer {
    return readFileSync(this.outputFile);
  }

  /** The exit report as it is on disk. */
  get exitReport(): ExitReport {
    return JSON.parse(readFileSync(this.exitFile, 'utf8')) as ExitReport;
  }

  async ended(): Promise<number | null> {
    return within(this.exited, 'end of the relay');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    const lived = this.process.exitCode === null && this.process.signalCode === null;
    this.process.kill('SIGKILL');
    await this.ended();
    // Again and again: a bwrap that was being forked at that moment is not in the first list.
    const look = (): void => (lived ? processesOf(TEST_UID).forEach(killIfThere) : undefined);
    await within(nothingOf(TEST_UID, look), `end of all processes of uid ${TEST_UID}`);
    rmSync(this.#directory, { recursive: true, force: true });
    this.#group.remove();
    this.#tree.remove();
    assert.ok(!existsSync(this.#directory));
  }
}

/** One attached observer that collects what it sees. */
export class View {
  readonly client: IpcClient<typeof relayContract>;
  readonly chunks: OutputChunk[] = [];
  readonly result: Promise<ExitReport>;
  readonly #iterator: AsyncIterator<OutputChunk>;

  constructor(client: IpcClient<typeof relayContract>, stream: AsyncIterable<OutputChunk> & { readonly result: Promise<ExitReport> }) {
    this.client = client;
    this.#iterator = stream[Symbol.asyncIterator]();
    this.result = stream.result;
    this.result.catch(() => undefined);
  }

  /** Reads one chunk more; false at the end. */
  async step(what = 'chunk'): Promise<boolean> {
    const { value, done } = await within(this.#iterator.next(), () => `${what}; so far: ${JSON.stringify(this.text.slice(-2_000))}`);
    if (done === true) return false;
    this.chunks.push(value.type === 'output' ? { ...value, data: Uint8Array.from(value.data) } : value);
    return true;
  }

  /** Reads until the output matches; the output. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.text))
      assert.ok(await this.step(String(pattern)), `output ended before ${pattern}: ${JSON.stringify(this.text)}`);
    return this.text;
  }

  /** Reads to the end; the exit report. */
  async all(): Promise<ExitReport> {
    while (await this.step('end of output'));
    return within(this.result, 'exit report');
  }

  type(text: string, end = false): Promise<object> {
    return this.client.call('input', { data: Buffer.from(text), end });
  }

  bytes(from?: 'output' | 'error'): Buffer {
    return Buffer.concat(
      this.chunks.flatMap((chunk) => (chunk.type === 'output' && (from === undefined || chunk.from === from) ? [chunk.data] : [])),
    );
  }

  get text(): string {
    return this.bytes().toString('utf8');
  }
}

/** Reports come behind the byte that says that the relay is warm. */
async function* behindFirstByte(stream: Readable): AsyncGenerator<Buffer, void> {
  let first = true;
  for await (const piece of stream) {
    yield first ? (piece as Buffer).subarray(1) : (piece as Buffer);
    first = false;
  }
}

/** Resolves when no live process has this uid. */
async function nothingOf(uid: number, before: () => void): Promise<void> {
  for (before(); processesOf(uid).length > 0; before()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** The live processes of a uid. */
export function processesOf(uid: number): number[] {
  const live = readProcesses().filter((entry) => !entry.zombie);
  return live.filter(({ pid }) => readProcessStatus(pid)?.uids[0] === uid).map(({ pid }) => pid);
}

/** Rejects when the promise takes longer than any wait should. */
export async function within<T>(promise: Promise<T>, what: string | (() => string)): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`Waited ${WAIT_MILLISECONDS} ms for ${typeof what === 'string' ? what : what()}`)),
    WAIT_MILLISECONDS,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Ends a process; one that has ended since it was listed is none to end. */
export function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
