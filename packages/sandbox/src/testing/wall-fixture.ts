// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { parseInstanceName, parsePrincipalName } from '@bureau/core';
import { instancePaths } from '@bureau/instance';
import { closeOnExecFrom } from '@bureau/native';
import { sandboxSpec } from '@bureau/protocol';
import * as v from 'valibot';
import { bwrapOptions } from '../bwrap-arguments.ts';
import { decideSandbox } from '../decide-sandbox.ts';
import { HostEtc } from '../host-etc.ts';
import { readHostFacts } from '../host-facts.ts';
import { OpenMountSources } from '../mount-source.ts';
import { makePlaces } from '../plan-places.ts';
import { RootCopies } from '../root-copies.ts';
import { defaultPolicy, type LauncherPolicy } from '../policy-file.ts';
import { seccompPrograms } from '../seccomp-profiles.ts';
import { seccompArchitecture } from '../seccomp.ts';

/** A payload's uid of an instance that nobody here has. */
export const WALL_UID = 200_016 + 65_536 * 3;

/** Longest time that a payload of a test may take; a hang fails the test instead of the suite. */
const PAYLOAD_MILLISECONDS = 60_000;

/** How one run differs from what production does. Each difference takes one guard away: it is the positive control of a test. */
export interface WallChange {
  /** Gets bwrap's options and returns others. */
  readonly options?: (options: string[]) => string[];
  /** `null`: no filter at all. */
  readonly seccomp?: Uint8Array | null;
  /** What the machine's owner allows; nothing of the host unless it is said. */
  readonly policy?: LauncherPolicy;
  /** Start bwrap as root, as it must never be. */
  readonly asRoot?: boolean;
  /** bwrap's own environment, which production leaves empty. */
  readonly environment?: Record<string, string>;
  /** Arguments on the command line instead of through `--args`. */
  readonly argumentsOnCommandLine?: boolean;
  /** Descriptors 5… that leak into bwrap. */
  readonly leak?: readonly number[];
}

export interface WallRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Fields of the spec that a test sets. */
export type SpecChange = Partial<v.InferInput<typeof sandboxSpec>>;

/** What the host can do to a payload while it runs. */
export interface LivePayload {
  /** The host's pid of the sandbox's init. */
  readonly init: number;
  /** Host pids of the processes below init. */
  pids(): number[];
  /** First text that the payload wrote. */
  readonly greeting: string;
}

/** Real directories, owners and modes of one principal, as the launcher makes them. Removed when disposed. */
export class WallFixture implements Disposable {
  readonly directory: string;
  readonly workspace: string;
  readonly agent: string;
  readonly #buildDirectory: string;

  /** What lies in `inside/` of the build is mounted; without one, bureau-exec alone, which no sandbox can be without. */
  constructor(buildDirectory?: string) {
    this.directory = mkdtempSync(join(tmpdir(), 'bureau-wall-'));
    chmodSync(this.directory, 0o755);
    this.workspace = join(this.directory, 'workspace');
    this.agent = join(this.directory, 'agent');
    mkdirSync(this.workspace, { mode: 0o700 });
    chownSync(this.workspace, WALL_UID, WALL_UID);
    mkdirSync(join(this.directory, 'state'), { mode: 0o711 });
    mkdirSync(this.agent, { mode: 0o750 });
    chownSync(this.agent, 0, WALL_UID);
    this.#buildDirectory = buildDirectory ?? join(this.directory, 'build');
    if (buildDirectory === undefined) compileInto(this.#buildDirectory, 'exec');
  }

  /** bwrap's arguments for `spec`, exactly as the launcher computes them, its mount sources opened into `sources`. */
  plan(
    input: v.InferInput<typeof sandboxSpec>,
    policy: LauncherPolicy = { ...defaultPolicy(), profiles: ['strict', 'default', 'debug'] },
    sources: OpenMountSources = new OpenMountSources(),
  ): { options: string[]; command: string[] } {
    const real = instancePaths(parseInstanceName('wall'));
    const rootDirectory = join(this.directory, 'root');
    const own = { ...real.principal(0), directory: this.directory, agentDirectory: this.agent, rootDirectory };
    const plan = decideSandbox(
      {
        principal: parsePrincipalName('wall/test'),
        spec: v.parse(sandboxSpec, input),
        number: 0,
        uid: WALL_UID,
        paths: { ...real, stateDir: join(this.directory, 'state'), workspaceOf: () => this.workspace, principal: () => own },
        policy,
        header: {},
        buildDirectory: this.#buildDirectory,
        host: readHostFacts(),
        hostEtcOf: (root) => new HostEtc(join(this.directory, 'host-etc'), `${root}/etc`).current(),
        variables: { MACHINE_NAME: 'machine/wall' },
      },
      sources,
    );
    makePlaces(plan, new RootCopies());
    return bwrapOptions(plan);
  }

  /** Runs `command` in the wall and returns when everything of it has ended. */
  run(command: readonly string[], change: WallChange = {}, spec: SpecChange = {}): Promise<WallRun> {
    return this.#start(command, change, spec);
  }

  /** A shell script. */
  shell(script: string, change: WallChange = {}): Promise<WallRun> {
    return this.#start(['/bin/sh', '-c', script], change, {});
  }

  /** A Python program. */
  python(program: string, change: WallChange = {}, spec: SpecChange = {}): Promise<WallRun> {
    return this.#start(['/usr/bin/python3', '-c', program], change, spec);
  }

  /** What a Python program says as JSON, its last word. */
  async ask<Answer = Record<string, string>>(program: string, change: WallChange = {}, spec: SpecChange = {}): Promise<Answer> {
    const { stdout, stderr } = await this.python(program, change, spec);
    assert.notEqual(stdout, '', `the attack said nothing: ${stderr}`);
    return JSON.parse(stdout) as Answer;
  }

  /** Runs a script that says something and then waits for a line; `look` is called between the two. */
  watch(script: string, look: (payload: LivePayload) => void, change: WallChange = {}, spec: SpecChange = {}): Promise<WallRun> {
    return this.#start(['/bin/sh', '-c', script], change, spec, look);
  }

  async #start(command: readonly string[], change: WallChange, spec: SpecChange, look?: (payload: LivePayload) => void): Promise<WallRun> {
    using sources = new OpenMountSources();
    const plan = this.plan({ v: 1, command: [...command], terminal: false, ...spec }, change.policy, sources);
    const options = change.options === undefined ? plan.options : change.options(plan.options);
    const programs = seccompPrograms(seccompArchitecture(process.arch));
    const seccomp = change.seccomp === undefined ? programs[spec.profile ?? 'default'] : change.seccomp;
    const bwrap = [
      'bwrap',
      ...(change.argumentsOnCommandLine === true ? options : ['--args', '3']),
      ...(seccomp === null ? [] : ['--seccomp', '4']),
      ...['--json-status-fd', '5', '--', ...plan.command],
    ];
    const drop = [
      '--reuid',
      String(WALL_UID),
      '--regid',
      String(WALL_UID),
      '--clear-groups',
      '--no-new-privs',
      '--inh-caps=-all',
      '--bounding-set=-all',
    ];
    const program = change.asRoot === true ? bwrap : ['setpriv', ...drop, '--', ...bwrap];
    if (change.leak === undefined) closeOnExecFrom(3);
    const given = sources.descriptors;
    const child = spawn(`/usr/bin/${program[0] ?? ''}`, program.slice(1), {
      cwd: '/',
      env: change.environment ?? {},
      stdio: [
        'pipe',
        'pipe',
        'pipe',
        'pipe',
        'pipe',
        'pipe',
        ...(given.length > 0 ? ['ignore' as const, ...given] : []),
        ...(change.leak ?? []),
      ],
      timeout: PAYLOAD_MILLISECONDS,
      killSignal: 'SIGKILL',
    });
    const pipe = (at: number): Readable & Writable => child.stdio[at] as unknown as Readable & Writable;
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code));
    });
    for (const at of [0, 3, 4]) pipe(at).on('error', () => undefined);
    pipe(3).end(options.map((option) => `${option}\0`).join(''));
    pipe(4).end(seccomp ?? '');
    const read = { stdout: '', stderr: '', status: '' };
    pipe(1).on('data', (data: Buffer) => (read.stdout += data.toString()));
    pipe(2).on('data', (data: Buffer) => (read.stderr += data.toString()));
    pipe(5).on('data', (data: Buffer) => (read.status += data.toString()));
    if (look !== undefined) {
      // What bwrap says comes before what the payload says, by another pipe.
      const said = [1, 5].map((at) => new Promise((resolve) => pipe(at).once('data', resolve)));
      await Promise.race([Promise.all(said), ended]);
      try {
        const init = Number(/"child-pid": (\d+)/.exec(read.status)?.[1]);
        assert.ok(init > 0, `bwrap said no child-pid: ${read.status} ${read.stderr}`);
        look({ init, pids: () => childrenOf(init), greeting: read.stdout });
      } finally {
        pipe(0).end('\n');
      }
    } else {
      pipe(0).end();
    }
    const code = await ended;
    return { code, stdout: read.stdout, stderr: read.stderr };
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Compiles programs of apps/c-programs where a build of `directory` would have them. A test that calls it names `apps/c-programs` in `"testPrograms"` of its package.json. */
export function compileInto(directory: string, ...programs: ('bridge' | 'exec' | 'proxy-call')[]): void {
  mkdirSync(join(directory, 'inside'), { recursive: true });
  for (const path of [directory, join(directory, 'inside')]) chmodSync(path, 0o755);
  for (const program of programs) {
    const script = join(import.meta.dirname, '../../../../apps/c-programs/compile.sh');
    const output = join(directory, 'inside', `bureau-${program}`);
    execFileSync('/bin/sh', [script, output], { env: { PATH: '/usr/bin:/bin', PROGRAM: program }, timeout: PAYLOAD_MILLISECONDS });
  }
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((name) => parentOf(name) === pid)
    .map(Number);
}

function parentOf(pid: string): number | undefined {
  try {
    return Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined; // ended meanwhile
  }
}
