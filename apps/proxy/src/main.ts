// SPDX-License-Identifier: Apache-2.0
// One principal's proxy. Started by the service manager with three descriptors: 3 = the agent's listener, 4 = the launcher's listener,
// 5 = readiness pipe. Arguments: --number N --payload-uid UID --build HASH --access-log DIR. Ends with status 0 on SIGTERM.
import { closeSync, writeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { UsageError, describeError } from '@bureau/core';
import { createLogger } from '@bureau/log';
import { disableCoreDumps, setDumpable } from '@bureau/native';
import { systemClock } from '@bureau/process';
import { startProxy } from '@bureau/proxy';

const AGENT_LISTENER = 3;
const ADMIN_LISTENER = 4;
const READINESS_PIPE = 5;

function readArguments(): { number: number; payloadUid: number; build: string; accessLog: string | undefined } {
  const { values } = parseArgs({
    options: { number: { type: 'string' }, 'payload-uid': { type: 'string' }, build: { type: 'string' }, 'access-log': { type: 'string' } },
    strict: true,
  });
  return {
    number: wholeNumber('--number', values.number),
    payloadUid: wholeNumber('--payload-uid', values['payload-uid']),
    build: values.build ?? 'unknown',
    accessLog: values['access-log'],
  };
}

function wholeNumber(name: string, text: string | undefined): number {
  if (text === undefined || !/^(0|[1-9][0-9]{0,8})$/.test(text)) {
    throw new UsageError(
      'invalid_argument',
      `Expected ${name} with a whole number, found ${JSON.stringify(text ?? null)}; the service manager starts this program`,
    );
  }
  return Number(text);
}

async function main(): Promise<void> {
  // Before anything secret can be in memory: nobody of this uid may read it, and no core file may hold it.
  setDumpable(false);
  disableCoreDumps();
  const { number, payloadUid, build, accessLog } = readArguments();
  const logger = createLogger({ name: `proxy-${number}` });
  const proxy = await startProxy({
    agent: { fd: AGENT_LISTENER },
    admin: { fd: ADMIN_LISTENER },
    payloadUid,
    build,
    clock: systemClock,
    logger,
    ...(accessLog === undefined ? {} : { accessLogDirectory: accessLog }),
  });
  process.once('SIGTERM', () => {
    logger.info('stopping');
    proxy.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'did not stop in order');
        process.exit(1);
      },
    );
  });
  writeSync(READINESS_PIPE, 'ready\n');
  closeSync(READINESS_PIPE);
  logger.info({ build, payload_uid: payloadUid }, 'ready');
}

if (process.argv[2] === '--version') console.log(basename(dirname(import.meta.dirname)));
else
  main().catch((error: unknown) => {
    process.stderr.write(`proxy: ${describeError(error)}\n`);
    process.exit(1);
  });
