// SPDX-License-Identifier: Apache-2.0
/**
 * Parent of one sandbox. Started ahead by the launcher as root that can do nothing but become the payload's uid, once. Descriptors: 3
 * orders, instructions, 4 reports. No arguments but `--version` and `--at-once`, no environment of anybody.
 */
import { closeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describeError, StageTimes } from '@bureau/core';
import { createLogger } from '@bureau/log';
import { disableCoreDumps, replaceDescriptor, setDumpable } from '@bureau/native';
import { openLauncherPipe, runRelay, Starter, warmUpRelay } from '@bureau/observe';
import { becomeUser, systemClock, takeOrder, waitForOrder } from '@bureau/process';

const INSTRUCTIONS = 3;
const REPORTS = 4;
/** Of this build, beside its Node. */
const STARTER = join(dirname(process.execPath), 'bureau-starter');
/** First order: the uid; the sandbox's control groups, of the unified tree and of each controller of version 1. */
const WHO = { numbers: 1, descriptors: { least: 1, most: 8 } };
/** Second order, once it is that user: log, listening socket, output log. */
const WHERE = { numbers: 0, descriptors: 3 };

if (process.argv[2] === '--version') {
  // This file is <build>/lib/relay.js when installed.
  console.log(basename(dirname(import.meta.dirname)));
  process.exit(0);
}
const logger = createLogger({ name: 'relay' });
try {
  // The payload has the same uid: without this it could read and steer its own relay.
  setDumpable(false);
  disableCoreDumps();
  // Somebody waits for this one: a rehearsal would take longer than it saves.
  if (!process.argv.includes('--at-once')) await warmUpRelay(systemClock, STARTER);
  const starter = Starter.start(STARTER);
  const who = waitForOrder(INSTRUCTIONS, REPORTS, WHO.numbers, WHO.descriptors);
  if (who !== null) await serveSandbox(who.numbers as [number], who.descriptors, starter);
  process.exit(0);
} catch (error) {
  logger.error({ error: describeError(error) }, 'relay could not start');
  process.exit(1);
}

async function serveSandbox([uid]: readonly [number], groups: readonly number[], starter: Starter): Promise<void> {
  const times = new StageTimes(systemClock);
  starter.enlist(uid, groups);
  for (const group of groups) closeSync(group);
  becomeUser(uid);
  times.reached('dropped');
  // The launcher judges meanwhile. Refused: it goes away, and so do we.
  const where = takeOrder(INSTRUCTIONS, WHERE.numbers, WHERE.descriptors);
  if (where === null) return;
  const [log, listener, outputLog] = where.descriptors as [number, number, number];
  for (const standard of [1, 2]) replaceDescriptor(log, standard);
  closeSync(log);
  const stop = new AbortController();
  process.on('SIGTERM', () => stop.abort());
  // A launcher or terminal that goes away does not end a sandbox.
  for (const name of ['SIGHUP', 'SIGINT'] as const) process.on(name, () => undefined);
  const launcher = openLauncherPipe(INSTRUCTIONS, REPORTS);
  await runRelay({ launcher, listener, outputLog, clock: systemClock, logger, times, signal: stop.signal, starter });
}
