// SPDX-License-Identifier: Apache-2.0
// Sockets that are bound ahead of their proxy: who connects reaches the proxy that is there, or waits for the one that comes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { ensureInstanceDirectories, ensurePrincipalDirectories } from '@bureau/instance';
import { WarmPool, systemClock, type Cgroup } from '@bureau/process';
import { proxyProgram, proxyService } from './service-table.ts';
import { Service } from './service.ts';
import { speak, standFacts, standOf, type MadeStand } from './testing/stand-fixture.ts';
import { HeardLog } from './testing/supervise-fixture.ts';

const NUMBER = 3;
/** A client that nobody answers for so long has been lost. */
const ANSWER_MILLISECONDS = 20_000;

/** The pid of the proxy that answers on the agent's socket. Throws `ECONNREFUSED` where nobody listens, at once. */
async function whoAnswers({ facts }: MadeStand): Promise<number> {
  const socket = connect(facts.paths.principal(NUMBER).proxySocket);
  socket.setTimeout(ANSWER_MILLISECONDS, () => socket.destroy(new Error('nobody answers who has connected')));
  await once(socket, 'connect');
  return Number(await text(socket));
}

/** The service of the proxy alone, as a service manager has it that finds one in `found`. */
function proxyOf({ facts, tree }: MadeStand, found?: Cgroup, mark?: string): Service {
  ensureInstanceDirectories(facts.paths, facts.uids);
  ensurePrincipalDirectories(facts.paths, NUMBER, facts.uids);
  const clock = systemClock;
  const onFailure = (message: string): void => assert.fail(message);
  const pool = new WarmPool({ size: 0, program: proxyProgram(facts), tree, prefix: 'proxy', clock, onFailure });
  const definition = { ...proxyService(facts, NUMBER), ...(mark === undefined ? {} : { mark }) };
  return new Service(definition, { clock, logger: new HeardLog().logger, cgroup: found, logFile: `${facts.paths.logDir}/proxy.log`, pool });
}

test('Stand.listenProxy() beside a proxy that lives leaves its sockets to it', async (context) => {
  const made = await standFacts(context);
  const { stand } = standOf(made);
  await stand.start();
  const client = await speak(made);
  const { pid } = await client.call('startProxy', { number: NUMBER });
  assert.equal(await whoAnswers(made), pid);
  await client.call('listenProxy', { number: NUMBER });
  assert.equal(await whoAnswers(made), pid);
  assert.deepEqual(await client.call('startProxy', { number: NUMBER }), { pid });
  assert.equal(await whoAnswers(made), pid);
  client.close();
});

test('Stand.listenProxy() after a proxy that died takes its sockets over: who connects waits for the next one', async (context) => {
  const made = await standFacts(context);
  const { stand, log } = standOf(made);
  await stand.start();
  const client = await speak(made);
  const { pid } = await client.call('startProxy', { number: NUMBER });
  const ended = log.next('ended by itself');
  process.kill(pid, 'SIGKILL');
  await ended;
  await assert.rejects(whoAnswers(made), { code: 'ECONNREFUSED' });
  await client.call('listenProxy', { number: NUMBER });
  const [answered, next] = await Promise.all([whoAnswers(made), client.call('startProxy', { number: NUMBER })]);
  assert.notEqual(next.pid, pid);
  assert.equal(answered, next.pid);
  client.close();
});

test('Service.listen() beside a proxy that an earlier service manager left leaves its sockets to it until it is replaced', async (context) => {
  const made = await standFacts(context);
  const first = proxyOf(made);
  await first.start();
  const { pid, cgroup } = first;
  await first.release();

  const successor = proxyOf(made, cgroup);
  await successor.listen();
  assert.equal(await whoAnswers(made), pid);
  await successor.start();
  assert.equal(successor.pid, pid);
  assert.equal(await whoAnswers(made), pid);
  await successor.release();

  const ofAnotherBuild = proxyOf(made, cgroup, 'another build');
  await ofAnotherBuild.listen();
  assert.equal(await whoAnswers(made), pid);
  await ofAnotherBuild.start();
  assert.notEqual(ofAnotherBuild.pid, pid);
  assert.equal(await whoAnswers(made), ofAnotherBuild.pid);
  await ofAnotherBuild.stop(0);
});
