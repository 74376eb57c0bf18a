// SPDX-License-Identifier: Apache-2.0
/**
 * Records the two-minute path of the README in a real terminal, against a stand of its own; see script/record.
 */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { startTerminal, type Terminal } from '../../packages/testkit/src/terminal.ts';
import { castText, plainText, withoutMachine, type ScreenEvent } from './cast.ts';

/** Its stand: removed in the end, so never one that somebody uses. */
const INSTANCE = 'twominutes';
/** One command: the first start may have to build. */
const STEP_MILLISECONDS = 900_000;
/** An answer that a person waits for. */
const ANSWER_MILLISECONDS = 30_000;
/** How often the screen is looked at; finer than an eye. */
const LOOK_MILLISECONDS = 25;
/** Seconds a person needs for a key. */
const KEY_SECONDS = 0.03;
/** Bytes of a recording that may be committed. */
const CAST_MAX_BYTES = 128 * 1024;
const SIZE = { columns: 110, rows: 34 };

const ROOT = join(import.meta.dirname, '../..');

interface Step {
  readonly command: string;
  /** What a person does while it runs. */
  readonly person?: (terminal: Terminal) => Promise<void>;
}

const STEPS: readonly Step[] = [
  { command: `script/up --instance ${INSTANCE}` },
  { command: `export BUREAU_INSTANCE=${INSTANCE}` },
  { command: "bin/bureau run probe/one -- sh -c 'curl -s --unix-socket /proxy.sock http://bureau/v1/identity; id; ls /'" },
  { command: 'bin/bureau observe demo/hello', person: helpTheAgent },
  { command: 'bin/bureau machine status' },
  { command: `script/down --instance ${INSTANCE} --purge` },
];

/** Types a line into the agent's terminal, and leaves with Ctrl-\. */
async function helpTheAgent(terminal: Terminal): Promise<void> {
  await terminal.waitFor(/\n/, ANSWER_MILLISECONDS);
  const mark = terminal.mark();
  for (const key of 'good morning') {
    terminal.send(key);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS * 3));
  }
  terminal.send('\r');
  await terminal.waitFor(/good morning[^]*\n[^]*good morning/, ANSWER_MILLISECONDS, mark);
  terminal.send('\u001c');
}

/** Runs one command in a terminal and adds what came to `events`. Throws when it fails. */
async function record(step: Step, events: ScreenEvent[], signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const begin = events.at(-1)?.seconds ?? 0;
  const typed = Array.from(`$ ${step.command}`);
  for (const [index, key] of typed.entries()) events.push({ seconds: begin + KEY_SECONDS * (index + 1), text: key });
  const start = begin + KEY_SECONDS * (typed.length + 1);
  events.push({ seconds: start, text: '\r\n' });
  if (step.command.startsWith('export ')) return;
  const began = performance.now();
  const inherited = Object.entries(process.env).flatMap(([name, value]) =>
    name.startsWith('BUREAU_') || value === undefined ? [] : [[name, value]],
  );
  await using terminal = startTerminal('/bin/bash', ['--norc', '--noprofile', '-c', step.command], {
    ...SIZE,
    cwd: ROOT,
    env: { ...Object.fromEntries(inherited), TERM: 'xterm-256color', BUREAU_INSTANCE: INSTANCE },
  });
  const decoder = new StringDecoder('utf8');
  let seen = 0;
  const look = (): void => {
    const bytes = terminal.screen.bytes;
    const text = decoder.write(bytes.subarray(seen));
    seen = bytes.length;
    if (text !== '') events.push({ seconds: start + (performance.now() - began) / 1_000, text });
  };
  const stop = (): void => void terminal[Symbol.asyncDispose]();
  signal.addEventListener('abort', stop, { once: true });
  const looking = setInterval(look, LOOK_MILLISECONDS);
  try {
    await step.person?.(terminal);
    const code = await terminal.exitedWithin(STEP_MILLISECONDS);
    look();
    if (code !== 0) throw new Error(`'${step.command}' ended with ${code}: ${terminal.screen.quoted}`);
  } finally {
    clearInterval(looking);
    signal.removeEventListener('abort', stop);
  }
}

async function main(): Promise<number> {
  if (existsSync(`/etc/bureau-${INSTANCE}`) || existsSync(`/var/lib/bureau-${INSTANCE}`)) {
    console.error(`script/record: the instance '${INSTANCE}' is there already; remove it: script/down --instance ${INSTANCE} --purge`);
    return 2;
  }
  const events: ScreenEvent[] = [];
  const aborter = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => aborter.abort(new Error('interrupted')));
  try {
    for (const step of STEPS) {
      await record(step, events, aborter.signal);
      console.error(`record: ${step.command}`);
    }
  } catch (error) {
    console.error(`script/record: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    // The last step has done it, unless something went wrong before.
    if (existsSync(`/etc/bureau-${INSTANCE}`) || existsSync(`/var/lib/bureau-${INSTANCE}`)) await purge();
  }
  const shown = withoutMachine(events, { checkout: ROOT, host: hostname() });
  const cast = castText(shown, SIZE, 'Bureau in two minutes');
  if (Buffer.byteLength(cast) > CAST_MAX_BYTES) {
    console.error(`script/record: ${Buffer.byteLength(cast)} bytes, expected at most ${CAST_MAX_BYTES}; what prints so much?`);
    return 1;
  }
  writeFileSync(join(ROOT, 'docs/two-minutes.cast'), cast);
  writeFileSync(join(ROOT, 'docs/two-minutes.txt'), plainText(shown));
  console.log(`record: docs/two-minutes.cast, docs/two-minutes.txt (${Math.round(shown.at(-1)?.seconds ?? 0)} s)`);
  return 0;
}

function purge(): Promise<void> {
  const down = spawn(join(ROOT, 'script/down'), ['--instance', INSTANCE, '--purge'], { stdio: ['ignore', 'ignore', 'inherit'] });
  return new Promise((resolve) => down.once('close', () => resolve()));
}

process.exitCode = await main();
