// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync } from 'node:fs';
import { BureauError, hasCode, sleep } from '@bureau/core';
import { openLogFile, readBounded } from '@bureau/files';
import { tryLockFile } from '@bureau/native';
import { connectStand, type StandClient } from '../daemon-client.ts';
import type { OperationContext } from '../registry/context.ts';
import type { StepResult } from './steps.ts';

/** The service manager listens within 100 ms of its start; a loaded machine takes a second. */
const START_MILLISECONDS = 20_000;
/** It stops daemon and launcher before it leaves, with their grace. */
const HAND_OVER_MILLISECONDS = 60_000;
const LOOK_MILLISECONDS = 25;
/** Well above what a log may have when it is opened (10 MiB, then it is moved aside). */
const LOG_MAX_BYTES = 16 * 1024 * 1024;

/** A running service manager of this build: found, or started; one of another build hands over to it without ending a sandbox. */
export async function ensureServiceManager(context: OperationContext): Promise<StepResult> {
  const running = await find(context);
  if (running !== undefined) {
    using client = running;
    const { build } = await client.call('status', {});
    if (build === context.build) return { outcome: 'there', message: `already running (build ${build})` };
    context.progress(`replacing build ${build}; sandboxes go on`);
    await client.call('handOver', {}, { deadlineMilliseconds: HAND_OVER_MILLISECONDS });
  }
  await untilFree(context);
  const started = start(context);
  const until = context.clock.monotonic() + START_MILLISECONDS;
  for (;;) {
    const client = await find(context);
    if (client !== undefined) {
      client.close();
      return { outcome: 'done', message: `started build ${context.build}` };
    }
    if (started.exitCode !== null || started.signalCode !== null)
      throw new BureauError(
        'stand_ended',
        `The service manager ended at once (${started.signalCode ?? `code ${started.exitCode}`})${lastWords(context.paths.processLog('stand'))}`,
      );
    if (context.clock.monotonic() > until)
      throw new BureauError(
        'deadline_exceeded',
        `Expected the service manager to answer on ${context.paths.standSocket} within ${START_MILLISECONDS / 1_000} s`,
      );
    await sleep(context.clock, LOOK_MILLISECONDS, context.signal);
  }
}

async function find(context: OperationContext): Promise<StandClient | undefined> {
  try {
    return await connectStand(context);
  } catch (error) {
    if (hasCode(error, 'stand_down')) return undefined;
    throw error;
  }
}

/** Waits until no service manager keeps the instance: the one that hands over, or is killed, holds a lock until it is gone. */
async function untilFree(context: OperationContext): Promise<void> {
  const lock = `${context.paths.stateDir}/stand.lock`;
  const until = context.clock.monotonic() + START_MILLISECONDS;
  while (existsSync(lock)) {
    const taken = tryLockFile(lock);
    if (taken !== null) return taken[Symbol.dispose]();
    if (context.clock.monotonic() > until)
      throw new BureauError(
        'stand_busy',
        `Another service manager keeps this instance and does not answer; end it (fuser ${lock} names it), then run script/up again`,
      );
    await sleep(context.clock, LOOK_MILLISECONDS, context.signal);
  }
}

function start({ paths, buildDirectory }: OperationContext): ChildProcess {
  const log = openLogFile(paths.processLog('stand'));
  const args = [`${buildDirectory}/lib/stand.js`, ...(paths.name === '' ? [] : ['--instance', paths.name])];
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', NODE_COMPILE_CACHE: `${buildDirectory}/compile-cache` };
  const child = spawn(`${buildDirectory}/bin/node`, args, { cwd: '/', env, stdio: ['ignore', log, log], detached: true });
  child.unref();
  closeSync(log);
  return child;
}

/** `: ERROR` of the last line of the log; a disk that took none is what to look at. */
function lastWords(path: string): string {
  try {
    const line = readBounded(path, LOG_MAX_BYTES).toString('utf8').trimEnd().split('\n').at(-1) ?? '';
    const { error } = JSON.parse(line) as { readonly error?: unknown };
    if (typeof error === 'string') return `: ${error}`;
  } catch {
    // No line of it, or another's: the same.
  }
  return `, and ${path} does not say why; see that its disk has room and can be written`;
}
