// SPDX-License-Identifier: Apache-2.0
import { writeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { describeError, parseInstanceName } from '@bureau/core';
import { createLogger, type Logger } from '@bureau/log';
import { setDumpable } from '@bureau/native';
import { sayFailed } from '@bureau/process';
import { startDaemon } from './daemon.ts';

const LISTENER = 3;
const READY = 4;

const { values } = parseArgs({ options: { instance: { type: 'string', default: '' }, version: { type: 'boolean', default: false } } });
// This file is <build>/lib/daemon.js when installed.
const build = basename(dirname(import.meta.dirname));

if (values.version) {
  console.log(build);
} else {
  setDumpable(false);
  const logger = createLogger({ name: 'daemon' });
  const stop = await start(logger);
  writeSync(READY, 'ready\n');
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    // A timer of the Matrix SDK may outlive its stop: leave explicitly.
    process.once(signal, () => void stop().finally(() => process.exit(0)));
  }
}

/** What keeps it from starting is one line of its log, which script/up quotes. */
async function start(logger: Logger): Promise<() => Promise<void>> {
  try {
    return await startDaemon({
      instance: parseInstanceName(values.instance),
      build,
      listener: LISTENER,
      logger,
    });
  } catch (error) {
    logger.fatal({ error: describeError(error) }, 'cannot start');
    sayFailed(READY, error);
    process.exit(1);
  }
}
