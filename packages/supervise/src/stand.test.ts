// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import type { IpcClient } from '@bureau/ipc';
import type { standContract } from '@bureau/protocol';
import { speak, standFacts, standOf } from './testing/stand-fixture.ts';
import { alive } from './testing/supervise-fixture.ts';

test('Stand starts its services and proxies, hands them over, and its successor ends them all', async (context) => {
  const made = await standFacts(context);
  const first = standOf(made);
  await first.stand.start();
  const pids = async (client: IpcClient<typeof standContract>): Promise<Record<string, number | null>> =>
    Object.fromEntries((await client.call('status', {})).services.map(({ name, pid }) => [name, pid]));

  let client = await speak(made);
  const { pid: proxy } = await client.call('startProxy', { number: 3 });
  assert.ok(alive(proxy));
  assert.deepEqual(await client.call('startProxy', { number: 3 }), { pid: proxy });
  const before = await pids(client);
  assert.equal(before['proxy-3'], proxy);
  assert.equal(before['daemon'], null, 'no machine is provisioned');
  await client.call('handOver', {});
  await first.left;
  await first.stand[Symbol.asyncDispose]();
  client.close();
  assert.deepEqual(made.tree.group('launcher').pids(), []);

  const second = standOf(made);
  await second.stand.start();
  client = await speak(made);
  const after = await pids(client);
  assert.equal(after['homeserver'], before['homeserver']);
  assert.equal(after['proxy-3'], proxy);
  assert.notEqual(after['launcher'], before['launcher']);
  await client.call('stopProxy', { number: 3 });
  assert.equal(alive(proxy), false);
  assert.equal('proxy-3' in (await pids(client)), false);

  await client.call('shutDown', { graceMilliseconds: 100 });
  await second.left;
  await second.stand[Symbol.asyncDispose]();
  client.close();
  assert.deepEqual(made.tree.list(), []);
  assert.equal(existsSync(made.facts.paths.runDir), false);
});

test('Stand.shutDown() during the start starts nothing more and leaves nothing', async (context) => {
  const made = await standFacts(context, 'import time; time.sleep(1000)');
  const { stand, log } = standOf(made);
  const starting = stand.start();
  const client = await speak(made);
  await stand.shutDown(0);
  await starting;
  assert.deepEqual(made.tree.list(), []);
  await assert.rejects(client.call('start', { service: 'launcher' }), { code: 'leaving' });
  await assert.rejects(client.call('startProxy', { number: 1 }), { code: 'leaving' });
  assert.ok(!log.lines.includes('running'));
  client.close();
  await stand[Symbol.asyncDispose]();
});

test('Stand keeps a proxy that was asked for again while it was being stopped', async (context) => {
  const made = await standFacts(context);
  const { stand } = standOf(made);
  await stand.start();
  const client = await speak(made);
  const { pid } = await client.call('startProxy', { number: 0 });
  const stopping = client.call('stopProxy', { number: 0 });
  const again = await client.call('startProxy', { number: 0 });
  await stopping;
  assert.notEqual(again.pid, pid);
  const found = (await client.call('status', {})).services.find(({ name }) => name === 'proxy-0');
  assert.equal(found?.pid, again.pid);
  assert.ok(stand.children().includes(again.pid));
  client.close();
  await stand.shutDown(0);
  await stand[Symbol.asyncDispose]();
});
