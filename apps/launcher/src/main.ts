// SPDX-License-Identifier: Apache-2.0
import { writeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { describeError } from '@bureau/core';
import { createLogger, type Logger } from '@bureau/log';
import { sayFailed } from '@bureau/process';
import { noFaults } from '@bureau/sandbox';
import { startLauncher } from './launcher-process.ts';

const READY = 4;

const { values } = parseArgs({ options: { instance: { type: 'string', default: '' }, version: { type: 'boolean', default: false } } });
// This file is <build>/lib/launcher.js when installed.
const buildDirectory = dirname(import.meta.dirname);

if (values.version) {
  console.log(basename(buildDirectory));
} else {
  const logger = createLogger({ name: 'launcher' });
  try {
    await main(values.instance, logger);
  } catch (error) {
    logger.fatal({ error: describeError(error) }, 'cannot start');
    sayFailed(READY, error);
    process.exit(1);
  }
}

async function main(name: string, logger: Logger): Promise<void> {
  process.umask(0o022);
  const launcher = await startLauncher({ name, buildDirectory, architecture: process.arch, logger, faults: noFaults });
  writeSync(READY, 'ready\n');
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void launcher.close().finally(() => process.exit(0)));
  }
}
