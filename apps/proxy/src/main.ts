// SPDX-License-Identifier: Apache-2.0
/**
 * One principal's proxy. Started ahead by the service manager as root that can do nothing but become the proxy's uid, once: nothing secret
 * is in memory before. Descriptors: 3 order, 4 "warm". Arguments: `--access-logs DIR`, of which proxy *n* writes in `DIR/proxy-<n>` (as
 * `accessLogDirectory` of the instance's paths says), `--at-once` where somebody waits for it already. Ends with status 0 on SIGTERM.
 */
import 'node:cluster'; // what a server loads at its first `listen`: now, while nobody waits
import { closeSync, openSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { describeError } from '@bureau/core';
import { createLogger } from '@bureau/log';
import { disableCoreDumps, replaceDescriptor, setDumpable } from '@bureau/native';
import { becomeUser, sayFailed, sayReady, systemClock, waitForOrder } from '@bureau/process';
import { rehearse, startProxy, type Proxy, type ProxyOptions } from '@bureau/proxy';

const INSTRUCTIONS = 3;
const REPORTS = 4;
/** The proxy's uid, the principal's number, the payload's uid; log, the agent's listener, the launcher's listener. */
const ORDER_NUMBERS = 3;
const ORDER_DESCRIPTORS = 3;
/** An agent may start while its keys are on their way (30 ms, a second on a busy machine): it waits this long before it is told that there are none. */
const HOLD_MILLISECONDS = 10_000;

// This file is <build>/lib/proxy.js when installed.
const build = basename(dirname(import.meta.dirname));

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { 'access-logs': { type: 'string' }, 'at-once': { type: 'boolean' } }, strict: true });
  // Before anything secret can be in memory: nobody of this uid may read it, and no core file may hold it.
  setDumpable(false);
  disableCoreDumps();
  if (values['at-once'] !== true) await rehearseAll();
  const order = waitForOrder(INSTRUCTIONS, REPORTS, ORDER_NUMBERS, ORDER_DESCRIPTORS);
  if (order === null) process.exit(0);
  await serve(order.numbers as unknown as Three, order.descriptors as unknown as Three, values['access-logs']);
}

/** Before anybody waits: what runs for the first time is compiled first. */
async function rehearseAll(): Promise<void> {
  const nowhere = openSync('/dev/null', 'w');
  await rehearse(systemClock, createLogger({ name: 'proxy', destination: nowhere }));
  closeSync(nowhere);
}

type Three = readonly [number, number, number];

async function serve([uid, number, payloadUid]: Three, [log, agent, admin]: Three, logs: string | undefined): Promise<void> {
  for (const standard of [1, 2]) replaceDescriptor(log, standard);
  closeSync(log);
  const logger = createLogger({ name: `proxy-${number}` });
  const proxy = await start({
    uid,
    agent: { fd: agent },
    admin: { fd: admin },
    payloadUid,
    logger,
    ...(logs === undefined ? {} : { accessLogDirectory: `${logs}/proxy-${number}` }),
  });
  sayReady(REPORTS);
  for (const descriptor of [INSTRUCTIONS, REPORTS]) closeSync(descriptor);
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
  logger.info({ build, payload_uid: payloadUid }, 'ready');
}

type Start = Pick<ProxyOptions, 'agent' | 'admin' | 'payloadUid' | 'logger' | 'accessLogDirectory'> & { readonly uid: number };

/** The proxy's uid and its servers; whoever waits for them is told why there are none. */
async function start({ uid, ...options }: Start): Promise<Proxy> {
  try {
    becomeUser(uid);
    return await startProxy({
      ...options,
      holdMilliseconds: HOLD_MILLISECONDS,
      onLost: (error) => {
        options.logger.fatal({ err: error }, 'cannot serve the agent');
        process.exit(1);
      },
      build,
      clock: systemClock,
    });
  } catch (error) {
    // The log first: who is told ends what is left of this process.
    options.logger.fatal({ error: describeError(error) }, 'cannot start');
    sayFailed(REPORTS, error);
    process.exit(1);
  }
}

if (process.argv[2] === '--version') console.log(build);
else
  main().catch((error: unknown) => {
    process.stderr.write(`proxy: ${describeError(error)}\n`);
    process.exit(1);
  });
