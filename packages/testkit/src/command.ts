// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from 'node:child_process';
import { BureauError } from '@bureau/core';
import { COMMAND_MILLISECONDS } from './limits.ts';
import { Output } from './output.ts';

/** What every command of a test gets: nothing of the environment of whoever runs the tests. */
export const TEST_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
  TERM: 'xterm-256color',
};

/** How a command ended, and what it wrote. */
export interface CommandResult {
  /** `null` when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Buffer;
  readonly milliseconds: number;
}

export interface CommandOptions {
  /** Written to its stdin, which then ends. Default: an empty stdin (`/dev/null`). */
  readonly input?: string | Uint8Array;
  /** After it everything of the command is killed and the call fails. Default 60 s. */
  readonly timeoutMilliseconds?: number;
  /** Added to {@link TEST_ENVIRONMENT}. `caller`: the environment of whoever runs the tests, for what may have to reach a registry. */
  readonly env?: Readonly<Record<string, string>> | 'caller';
  readonly cwd?: string;
}

/** A command that runs beside the test. */
export interface RunningCommand extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Writes to its stdin; only with `stdin: 'pipe'`. */
  write(data: string | Uint8Array): void;
  /** Ends its stdin. */
  endInput(): void;
  signal(signal: NodeJS.Signals): void;
  /** Never rejects. */
  readonly exited: Promise<CommandResult>;
  /** `exited`, or `deadline_exceeded` (the command lives on). */
  exitedWithin(milliseconds: number): Promise<CommandResult>;
  /** Kills it and its process group, if it still runs, and waits for its end. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a command with piped stdout and stderr; `input` as in {@link CommandOptions}, `stdin: 'pipe'` leaves it open. */
export function startCommand(
  command: string,
  args: readonly string[],
  options: Omit<CommandOptions, 'timeoutMilliseconds'> & { readonly stdin?: 'pipe' } = {},
): RunningCommand {
  const piped = options.stdin === 'pipe' || options.input !== undefined;
  const began = performance.now();
  const child = spawn(command, args, {
    ...(options.env === 'caller' ? {} : { env: { ...TEST_ENVIRONMENT, ...options.env } }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    // A group of its own, so that a script is killed with what it started.
    detached: true,
    stdio: [piped ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  const { stdin, stdout: outputPipe, stderr: errorPipe } = child;
  if (outputPipe === null || errorPipe === null) throw new Error('expected pipes');
  const stdout = new Output(outputPipe);
  const stderr = new Output(errorPipe);
  // A command may end without reading all: its result says what came of it.
  stdin?.on('error', () => undefined);
  const exited = new Promise<CommandResult>((resolve) => {
    const result = (code: number | null, signal: NodeJS.Signals | null): CommandResult => ({
      code,
      signal,
      stdout: stdout.text,
      stderr: stderr.text,
      stdoutBytes: stdout.bytes,
      milliseconds: performance.now() - began,
    });
    child.once('close', (code, signal) => resolve(result(code, signal)));
    child.once('error', (error) => resolve({ ...result(null, null), stderr: String(error) }));
  });
  if (options.input !== undefined) stdin?.end(options.input);
  const running: RunningCommand = {
    process: child,
    pid: child.pid ?? 0,
    stdout,
    stderr,
    write: (data) => void stdin?.write(data),
    endInput: () => void stdin?.end(),
    signal: (signal) => void child.kill(signal),
    exited,
    exitedWithin: (milliseconds) =>
      within(exited, milliseconds, `${command} ${args.join(' ')}`, () => `stdout ${stdout.quoted}, stderr ${stderr.quoted}`),
    [Symbol.asyncDispose]: async () => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGKILL');
      await exited;
    },
  };
  return running;
}

/** Runs a command to its end. Throws `deadline_exceeded` when it takes too long; it is killed then. */
export async function runCommand(command: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { timeoutMilliseconds = COMMAND_MILLISECONDS, ...rest } = options;
  await using running = startCommand(command, args, rest);
  return await running.exitedWithin(timeoutMilliseconds);
}

/** `promise`, or `deadline_exceeded` that says what was waited for and what was seen until then. */
export async function within<Value>(promise: Promise<Value>, milliseconds: number, what: string, seen: () => string): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new BureauError('deadline_exceeded', `Expected an end within ${milliseconds} ms of: ${what}; ${seen()}`)),
    milliseconds,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
