// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { TEST_ENVIRONMENT, within } from './command.ts';
import { Output } from './output.ts';

/** Debian's own; another on the PATH may be a shim. */
const PYTHON = '/usr/bin/python3';
const HOST = fileURLToPath(new URL('terminal-host.py', import.meta.url));

export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A command under a real terminal, as a person would have it. Its bytes are for asserting on, never for printing. */
export interface Terminal extends AsyncDisposable {
  /** The command's own pid. */
  readonly pid: Promise<number>;
  /** Everything that came to the screen. */
  readonly screen: Output;
  /** Bytes that came so far: pass it as `from` to wait for something new. */
  mark(): number;
  send(text: string | Uint8Array): void;
  waitFor(wanted: string | RegExp, milliseconds: number, from?: number): Promise<string>;
  resize(columns: number, rows: number): void;
  /** Closes the terminal as a window that is closed does: SIGHUP to what runs in it. */
  hangUp(): void;
  /** The exit code (128+n on signal n) when the command has ended and the terminal is closed. */
  readonly exited: Promise<number>;
  exitedWithin(milliseconds: number): Promise<number>;
  /** Takes the terminal away (SIGKILL to the command), if it still runs. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a command under a terminal of 80 by 24 unless said otherwise. */
export function startTerminal(command: string, args: readonly string[], options: TerminalOptions = {}): Terminal {
  const { columns = 80, rows = 24 } = options;
  const child = spawn(PYTHON, ['-I', HOST, `${columns}`, `${rows}`, command, ...args], {
    env: { ...TEST_ENVIRONMENT, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  const control = child.stdio[3] as Writable;
  for (const stream of [child.stdin, control]) stream.on('error', () => undefined);
  const screen = new Output(child.stdout);
  const faults = new Output(child.stderr);
  const pidLine = new Output(child.stdio[4] as Readable);
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => (code === null ? reject(new Error(`The terminal's host was killed: ${faults.quoted}`)) : resolve(code)));
  });
  exited.catch(() => undefined);
  const pid = pidLine.waitFor(/^[0-9]+/, 10_000).then(Number);
  pid.catch(() => undefined);
  return {
    pid,
    screen,
    mark: () => screen.bytes.length,
    send: (text) => void child.stdin.write(text),
    waitFor: (wanted, milliseconds, from = 0) => screen.waitFor(wanted, milliseconds, from),
    resize: (newColumns, newRows) => void control.write(`resize ${newColumns} ${newRows}\n`),
    hangUp: () => void control.write('hangup\n'),
    exited,
    exitedWithin: (milliseconds) => within(exited, milliseconds, `${command} ${args.join(' ')}`, () => `screen ${screen.quoted}`),
    [Symbol.asyncDispose]: async () => {
      control.end();
      await exited.catch(() => undefined);
    },
  };
}
