// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BureauError, parseInstanceName } from '@bureau/core';
import { instancePaths, readSettings, UIDS_FILE, type InstancePaths } from '@bureau/instance';
import { readProcess } from '@bureau/process';
import { runCommand, startCommand, type CommandOptions, type CommandResult, type RunningCommand } from './command.ts';
import type { Footprint } from './footprint.ts';
import { instanceProcesses, lasting, type InstanceProcess } from './instance-processes.ts';
import { LeakCheck } from './leak-check.ts';
import { DOWN_MILLISECONDS, QUOTED_BYTES, UP_MILLISECONDS } from './limits.ts';
import { matrixCall, type MatrixAnswer, type MatrixRequest } from './matrix-call.ts';
import { ownerOf, standName } from './stand-name.ts';
import { startTerminal, type Terminal, type TerminalOptions } from './terminal.ts';

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));

/** What `script/up --json` says. */
export interface StandFacts {
  readonly homeserver: string;
  readonly server_name: string;
  readonly run_dir: string;
  readonly credential_file: string;
  /** The machine's user ID. */
  readonly machine: string;
  readonly demo: { readonly principal: string; readonly event_id: string; readonly body: string } | null;
}

export interface StandOptions {
  /** Default: one of this process's own. */
  readonly name?: string;
  /** Default true: with the demo agent. */
  readonly demo?: boolean;
  /** More words for script/up. */
  readonly args?: readonly string[];
}

/** A whole stand of its own, from the real `script/up` of this checkout. */
export interface Stand extends AsyncDisposable {
  readonly name: string;
  readonly facts: StandFacts;
  readonly paths: InstancePaths;
  readonly uidBase: number;
  /** What the first script/up printed and took. */
  readonly first: CommandResult;
  /** Compares with {@link Stand.start}. */
  readonly leaks: LeakCheck;
  /** What the stand held of the machine right after its start. */
  readonly start: Footprint;
  /** `bin/bureau --instance NAME ARGS…` to its end. Never throws for an exit code. */
  bureau(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** The same, beside the test; `await using` it. */
  spawnBureau(args: readonly string[], options?: Parameters<typeof startCommand>[2]): RunningCommand;
  /** The same, under a terminal; `await using` it. */
  terminal(args: readonly string[], options?: TerminalOptions): Terminal;
  /** A shell line under a terminal, in which `bureau` is this stand's command line. */
  shell(line: string, options?: TerminalOptions): Terminal;
  /** script/up again, with `--json`. */
  up(args?: readonly string[]): Promise<CommandResult>;
  /** Every process of the stand, zombies included. */
  processes(): InstanceProcess[];
  /** {@link lasting} of these roles; by default of all. Two of them compare: who was there before is the same process after. */
  lasting(roles?: RegExp): string[];
  /** The one live process of this role. Throws when there is none or there are several. */
  process(role: string): InstanceProcess;
  /** Whether the homeserver answers now. */
  homeserverAnswers(): Promise<boolean>;
  /** A call of the homeserver with the operator's token. */
  matrix(path: string, request?: MatrixRequest): Promise<MatrixAnswer>;
  /** Ends it; idempotent. Throws when script/down fails. */
  down(options?: { readonly purge?: boolean }): Promise<CommandResult>;
  /** Throws `leaked` unless the stand holds what it held after its start. For `afterEach`. */
  assertUnchanged(): Promise<void>;
  /** `down --purge`, then throws `leaked` when anything is left. For `after`. */
  end(): Promise<void>;
  /** `down --purge`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a stand. One per test file: start it in `before`, `end()` it in `after`, `assertUnchanged()` after each test. Stands that
 * killed test processes have left are removed first.
 */
export async function startStand(options: StandOptions = {}): Promise<Stand> {
  await removeAbandoned();
  const name = parseInstanceName(options.name ?? standName(process.pid, Date.now()));
  const paths = instancePaths(name);
  const args = [...(options.demo === false ? ['--no-demo'] : []), ...(options.args ?? [])];
  const first = await up(name, args);
  if (first.code !== 0) {
    // Why it did not come up is what counts, also where it does not go down either.
    const cause = await down(name, true).then(
      () => undefined,
      (error: unknown) => error,
    );
    throw new BureauError(
      'stand_failed',
      `Expected script/up to succeed, and it ended with ${first.code ?? first.signal}: ${JSON.stringify(first.stderr.slice(-QUOTED_BYTES))}`,
      { cause },
    );
  }
  const facts = JSON.parse(first.stdout) as StandFacts;
  const { uidBase } = readSettings(paths);
  const leaks = new LeakCheck(paths, uidBase);
  const words = (rest: readonly string[]): string[] => ['--instance', name, ...rest];
  const processes = (): InstanceProcess[] => instanceProcesses({ name, uidBase });
  const start = await leaks.atRest();
  return {
    name,
    facts,
    paths,
    uidBase,
    first,
    leaks,
    start,
    bureau: (rest, given) => runCommand(`${CHECKOUT}bin/bureau`, words(rest), given),
    spawnBureau: (rest, given) => startCommand(`${CHECKOUT}bin/bureau`, words(rest), given),
    terminal: (rest, given) => startTerminal(`${CHECKOUT}bin/bureau`, words(rest), given),
    shell: (line, given) => startTerminal('/bin/sh', ['-c', `bureau() { ${CHECKOUT}bin/bureau --instance ${name} "$@"; }; ${line}`], given),
    up: (more = args) => up(name, more),
    processes,
    lasting: (roles = /./) => lasting(processes(), roles),
    process(role) {
      const found = processes().filter((each) => each.role === role && !each.zombie);
      const [only] = found;
      if (only === undefined || found.length > 1)
        throw new BureauError('not_one_process', `Expected one process of role ${role}; found ${found.length}`);
      return only;
    },
    homeserverAnswers: () =>
      fetch(`${facts.homeserver}/_matrix/client/versions`).then(
        ({ ok }) => ok,
        () => false,
      ),
    matrix: (path, request) => matrixCall(facts, path, request),
    down: async ({ purge = false } = {}) => await down(name, purge),
    assertUnchanged: () => leaks.assertUnchanged(start),
    async end() {
      await down(name, true);
      await leaks.assertNothing();
    },
    async [Symbol.asyncDispose]() {
      await down(name, true);
    },
  };
}

function up(name: string, args: readonly string[]): Promise<CommandResult> {
  return runCommand(`${CHECKOUT}script/up`, ['--instance', name, '--json', ...args], {
    timeoutMilliseconds: UP_MILLISECONDS,
    env: 'caller',
  });
}

async function down(name: string, purge: boolean): Promise<CommandResult> {
  const result = await runCommand(`${CHECKOUT}script/down`, ['--instance', name, ...(purge ? ['--purge'] : [])], {
    timeoutMilliseconds: DOWN_MILLISECONDS,
  });
  if (result.code === 0) return result;
  throw new BureauError(
    'stand_failed',
    `Expected script/down to succeed, and it ended with ${result.code ?? result.signal}: ${JSON.stringify(result.stderr.slice(-QUOTED_BYTES))}`,
  );
}

/** A test process that was killed could not end its stand; its name tells whose it was. */
async function removeAbandoned(): Promise<void> {
  if (!existsSync(UIDS_FILE)) return;
  const names = readFileSync(UIDS_FILE, 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  for (const name of names) {
    const owner = ownerOf(name);
    if (owner !== undefined && readProcess(owner) === undefined) await down(name, true);
  }
}
