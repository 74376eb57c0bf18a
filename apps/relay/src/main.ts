// SPDX-License-Identifier: Apache-2.0
/**
 * Parent of one sandbox. Started ahead by the launcher as root that can do nothing but become the payload's uid, once. Descriptors: 3
 * order, instructions, 4 reports. No arguments but `--version` and `--at-once`, no environment of anybody.
 */
import { closeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { describeError, StageTimes } from '@bureau/core';
import { createLogger } from '@bureau/log';
import { disableCoreDumps, replaceDescriptor, setDumpable } from '@bureau/native';
import { openLauncherPipe, runRelay, warmUpRelay } from '@bureau/observe';
import { becomeUser, systemClock, waitForOrder } from '@bureau/process';

const INSTRUCTIONS = 3;
const REPORTS = 4;
/** The uid; log, listening socket, output log. */
const ORDER_NUMBERS = 1;
const ORDER_DESCRIPTORS = 3;

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
  if (!process.argv.includes('--at-once')) await warmUpRelay(systemClock);
  const order = waitForOrder(INSTRUCTIONS, REPORTS, ORDER_NUMBERS, ORDER_DESCRIPTORS);
  if (order !== null) await serveSandbox(order.numbers as [number], order.descriptors as [number, number, number]);
  process.exit(0);
} catch (error) {
  logger.error({ error: describeError(error) }, 'relay could not start');
  process.exit(1);
}

async function serveSandbox([uid]: readonly [number], [log, listener, outputLog]: readonly [number, number, number]): Promise<void> {
  const times = new StageTimes(systemClock);
  for (const standard of [1, 2]) replaceDescriptor(log, standard);
  closeSync(log);
  becomeUser(uid);
  times.reached('dropped');
  const stop = new AbortController();
  process.on('SIGTERM', () => stop.abort());
  // A launcher or terminal that goes away does not end a sandbox.
  for (const name of ['SIGHUP', 'SIGINT'] as const) process.on(name, () => undefined);
  const launcher = openLauncherPipe(INSTRUCTIONS, REPORTS);
  await runRelay({ launcher, listener, outputLog, clock: systemClock, logger, times, signal: stop.signal });
}
