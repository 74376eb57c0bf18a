// SPDX-License-Identifier: Apache-2.0
/**
 * Serves one sandbox, which its starter has made. Started ahead by the launcher as root that can do nothing but become the payload's uid, once. Descriptors: 3
 * instructions (the starter's), 4 reports. No arguments but `--version` and `--at-once`, no environment of anybody.
 */
import { closeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BureauError, describeError, StageTimes } from '@bureau/core';
import { createLogger } from '@bureau/log';
import { disableCoreDumps, replaceDescriptor, setDumpable } from '@bureau/native';
import { reportOn, runRelay, Starter, warmUpRelay } from '@bureau/observe';
import { becomeUser, readProcessStatus, systemClock } from '@bureau/process';

const INSTRUCTIONS = 3;
const REPORTS = 4;
/** Of this build, beside its Node. */
const STARTER = join(dirname(process.execPath), 'bureau-starter');

if (process.argv[2] === '--version') {
  // This file is <build>/lib/relay.js when installed.
  console.log(basename(dirname(import.meta.dirname)));
  process.exit(0);
}
const logger = createLogger({ name: 'relay' });
const stop = new AbortController();
try {
  // The payload has the same uid: without this it could read and steer its own relay.
  setDumpable(false);
  disableCoreDumps();
  // Somebody waits for this one: a rehearsal would take longer than it saves.
  if (!process.argv.includes('--at-once')) await warmUpRelay(systemClock, STARTER);
  const starter = Starter.start(STARTER, { instructions: INSTRUCTIONS, reports: REPORTS });
  closeSync(INSTRUCTIONS);
  // A payload that already runs gets its grace. One that waits for nobody ends with its launcher.
  process.on('SIGTERM', () => stop.abort());
  // A launcher or terminal that goes away does not end a sandbox.
  for (const name of ['SIGHUP', 'SIGINT'] as const) process.on(name, () => undefined);
  if (starter.waitForTurn()) await serveSandbox(starter);
  process.exit(0);
} catch (error) {
  logger.error({ error: describeError(error) }, 'relay could not start');
  process.exit(1);
}

async function serveSandbox(starter: Starter): Promise<void> {
  const times = new StageTimes(systemClock);
  becomeUser(userOf(starter.process.pid));
  times.reached('dropped');
  const taken = starter.takeOver();
  for (const standard of [1, 2]) replaceDescriptor(taken.log, standard);
  closeSync(taken.log);
  const report = reportOn(REPORTS);
  await runRelay({ taken, starter: starter.process, report, clock: systemClock, logger, times, signal: stop.signal });
}

/**
 * Whose starter it is, as the kernel says: it took that uid when only the launcher had spoken to it, and cannot take another. It is our child, so its number is
 * nobody else's.
 */
function userOf(starter: number | undefined): number {
  const status = starter === undefined ? undefined : readProcessStatus(starter);
  const [uid, ...others] = [...(status?.uids ?? []), ...(status?.gids ?? [])];
  if (uid === undefined || others.some((each) => each !== uid))
    throw new BureauError('bad_take_over', `Expected a starter of one uid and gid, found ${others.length === 0 ? 'none' : 'several'}`);
  return uid;
}
