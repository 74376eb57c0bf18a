// SPDX-License-Identifier: Apache-2.0
/** The launcher's own process, which kills itself (-9) at one step: `crashing-launcher.main.ts INSTANCE BUILD_DIRECTORY [POINT]`. */
import { writeSync } from 'node:fs';
import { createLogger } from '@bureau/log';
import { noFaults, type FaultPoints } from '@bureau/sandbox';
import { startLauncher } from '../launcher-process.ts';

const READY = 4;

const [name, buildDirectory, wanted] = process.argv.slice(2);
if (name === undefined || buildDirectory === undefined)
  throw new Error('expected: crashing-launcher.main.ts INSTANCE BUILD_DIRECTORY [POINT]');
const deadly: FaultPoints = {
  reached: (point) => {
    if (point === wanted) process.kill(process.pid, 'SIGKILL');
  },
};
process.umask(0o022);
const faults = wanted === undefined ? noFaults : deadly;
const launcher = await startLauncher({
  name,
  buildDirectory,
  architecture: process.arch,
  logger: createLogger({ name: 'launcher' }),
  faults,
});
writeSync(READY, 'ready\n');
process.once('SIGTERM', () => void launcher.close().finally(() => process.exit(0)));
