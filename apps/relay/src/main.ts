// SPDX-License-Identifier: Apache-2.0
/** Parent of one sandbox. Descriptors: 3 instructions, 4 reports, 5 listening socket, 6 output log. No arguments but `--version`. */
import { basename, dirname } from 'node:path';
import { describeError } from '@bureau/core';
import { createLogger } from '@bureau/log';
import { disableCoreDumps, setDumpable } from '@bureau/native';
import { openLauncherPipe, runRelay } from '@bureau/observe';
import { systemClock } from '@bureau/process';

if (process.argv[2] === '--version') {
  // This file is <build>/lib/relay.js when installed.
  console.log(basename(dirname(import.meta.dirname)));
  process.exit(0);
}
const logger = createLogger({ name: 'relay' });
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
// A launcher or terminal that goes away does not end a sandbox.
for (const name of ['SIGHUP', 'SIGINT'] as const) process.on(name, () => undefined);

try {
  // The payload has the same uid: without this it could read and steer its own relay.
  setDumpable(false);
  disableCoreDumps();
  await runRelay({ launcher: openLauncherPipe(3, 4), listener: 5, outputLog: 6, clock: systemClock, logger, signal: stop.signal });
  process.exit(0);
} catch (error) {
  logger.error({ error: describeError(error) }, 'relay could not start');
  process.exit(1);
}
