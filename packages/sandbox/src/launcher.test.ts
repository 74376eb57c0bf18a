// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { BureauError } from '@bureau/core';
import { PRINCIPAL, launcherStand, told, type LauncherStand } from './testing/launcher-fixture.ts';

const recordFile = ({ paths }: LauncherStand): string => `${paths.launcherStateDirectory}/0.sandbox.json`;
const isRunning = (state: string): boolean => state === 'running';
const isExited = (state: string): boolean => state === 'exited';

test('Launcher.create() is once for one id, refuses another, and tells the end with its report', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  const [one, two] = await Promise.all([launcher.create(stand.input('a-0')), launcher.create(stand.input('a-0'))]);
  assert.equal(one.id, two.id);
  assert.deepEqual(stand.asked, ['listen 0', 'start 0']);
  await told(launcher, isRunning);
  const [init] = stand.tree.group('sandbox-0').pids();
  assert.equal(stand.pids(0).length, 2);
  await assert.rejects(launcher.create(stand.input('b-0')), { code: 'principal_busy' });
  assert.throws(() => launcher.forget(PRINCIPAL, 'a-0'), { code: 'principal_busy' });
  process.kill(init ?? 0, 'SIGKILL');
  await told(launcher, isExited);
  assert.deepEqual(launcher.list()[0]?.exit, { code: 7, signal: null });
  assert.deepEqual(stand.asked, ['listen 0', 'start 0', 'stop 0']);
  assert.equal(existsSync(stand.paths.principal(0).directory), false);
  assert.deepEqual(stand.tree.list(), []);
  launcher.forget(PRINCIPAL, 'a-0');
  assert.deepEqual(launcher.list(), []);
  await assert.rejects(launcher.destroy(PRINCIPAL, 'a-0', 0), { code: 'not_found' });
});

test('Launcher.destroy() ends a sandbox whose relay does not answer', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  await launcher.create(stand.input('a-0'));
  const both = await Promise.all([launcher.destroy(PRINCIPAL, 'a-0', 0), launcher.destroy(PRINCIPAL, 'a-0', 0)]);
  assert.deepEqual(both[0], { code: null, signal: null, reason: 'relay_lost' });
  assert.deepEqual(both[1], both[0]);
  assert.deepEqual(stand.pids(0), []);
});

test('Launcher.create() that is asked for once more tells the one that lives what is newer', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  await launcher.create(stand.input('a-0'));
  await launcher.create(stand.input('a-0'));
  assert.deepEqual(stand.fed.splice(0), ['configure'], 'nothing is newer');
  const again = stand.input('a-0');
  const { bundle } = await stand.inputOf(PRINCIPAL, 'a-0');
  await launcher.create({ ...again, bundle, spec: { ...again.spec, payload: { task: 2 } } });
  assert.deepEqual(stand.fed, ['configure']);
  assert.equal(readFileSync(`${stand.paths.principal(0).agentDirectory}/payload.json`, 'utf8'), '{"task":2}\n');
  assert.equal(readFileSync(`${stand.paths.launcherStateDirectory}/0.bundle.age`).equals(Buffer.from(bundle ?? [])), true);
  assert.deepEqual(stand.asked, ['listen 0', 'start 0']);
});

for (const why of ['ends before the sandbox stands', 'names a process that is none of its own']) {
  test(`Launcher.create() leaves nothing when the relay ${why}`, async (context) => {
    const stand = await launcherStand(context);
    const launcher = stand.start();
    const stranger = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' });
    context.after(() => stranger.kill());
    const says = why.startsWith('ends') ? 'dies-at-once' : `stranger:${stranger.pid}`;
    await assert.rejects(launcher.create(stand.input('a-0', says)), { code: 'start_failed' });
    assert.deepEqual(stand.tree.list(), []);
    assert.deepEqual([stranger.exitCode, stranger.signalCode], [null, null]);
    // It may be given up before its proxy's sockets were asked for.
    assert.deepEqual(stand.asked, [...(stand.asked.includes('listen 0') ? ['listen 0'] : []), 'stop 0']);
    assert.equal(existsSync(recordFile(stand)), false);
    assert.equal(existsSync(stand.paths.principal(0).directory), false);
    assert.deepEqual(launcher.list(), []);
    await launcher.create(stand.input('a-1'));
  });
}

test('Launcher.create() passes on why a sandbox failed that had just been named', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  await assert.rejects(launcher.create(stand.input('a-0', 'fails-once-named')), { code: 'start_failed', message: /bwrap: no mount$/ });
  assert.deepEqual(stand.tree.list(), []);
});

test('Launcher.create() with a bundle that is refused leaves no control group in any tree', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  const trees = [stand.tree.path, ...stand.tree.controllers.present.map(({ root }) => `${root}/${stand.paths.cgroupName}`)];
  const groups = (): string[] =>
    trees
      .filter(existsSync)
      .flatMap((tree) => readdirSync(tree, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])));
  await launcher.create(stand.input('a-0'));
  assert.ok(groups().filter((name) => name === 'sandbox-0').length === new Set(trees).size, groups().join(' '));
  await launcher.destroy(PRINCIPAL, 'a-0', 0);
  launcher.forget(PRINCIPAL, 'a-0');
  const input = stand.input('a-1');
  const bundle = Buffer.from(input.bundle ?? []);
  bundle[bundle.length - 1]! ^= 1;
  await assert.rejects(launcher.create({ ...input, bundle }), { code: 'bundle_unreadable' });
  assert.deepEqual(groups(), []);
  assert.equal((await launcher.create(input)).id, 'a-1');
});

test('Launcher.create() does not end a payload that runs because the service manager is being replaced', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  await launcher.adopt();
  const refusals = [new BureauError('leaving', 'is being replaced'), new BureauError('leaving', 'still')];
  stand.beforeProxy = async () => {
    const refusal = refusals.shift();
    if (refusal !== undefined) throw refusal;
  };
  const { id } = await launcher.create(stand.input('a-0'));
  assert.equal(id, 'a-0');
  assert.notDeepEqual(stand.pids(0), []);
  for (const deadline = performance.now() + 20_000; stand.fed.length === 0; await new Promise((resolve) => setTimeout(resolve, 5)))
    assert.ok(performance.now() < deadline, 'its proxy was not asked for again within 20 s');
  assert.deepEqual(stand.asked, ['listen 0', 'start 0', 'start 0', 'start 0']);
  assert.equal(launcher.list()[0]?.state, 'running');
});

test('Launcher.create() leaves nothing when there is no proxy', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  stand.refuseProxies = true;
  await assert.rejects(launcher.create(stand.input('a-0')), { code: 'internal' });
  assert.equal(existsSync(recordFile(stand)), false);
  stand.refuseProxies = false;
  await launcher.create(stand.input('a-0'));
});

test('Launcher.adopt() after a crash finds what runs, brings its proxy back, and tells its end', async (context) => {
  const stand = await launcherStand(context);
  const first = stand.start();
  await first.create(stand.input('a-0'));
  first.release();
  stand.refuseProxies = true;
  const second = stand.start();
  await second.adopt();
  assert.equal(second.list()[0]?.state, 'running');
  assert.ok(stand.said.includes('proxy did not come back at once; trying again'));
  stand.refuseProxies = false;
  const before = stand.asked.length;
  while (stand.asked.length < before + 1) await new Promise(setImmediate);
  assert.equal((await second.create(stand.input('a-0'))).id, 'a-0');
  process.kill(stand.tree.group('sandbox-0').pids()[0] ?? 0, 'SIGKILL');
  await told(second, isExited);
  assert.deepEqual(second.list()[0]?.exit, { code: 7, signal: null });
  const third = stand.start();
  await third.adopt();
  assert.deepEqual(third.list()[0]?.exit, { code: 7, signal: null });
});

test('Launcher.adopt() after a crash between record and relay makes it as if it had not been asked for', async (context) => {
  const stand = await launcherStand(context);
  const first = stand.start();
  await first.create(stand.input('a-0'));
  const record = readFileSync(recordFile(stand));
  await first.destroy(PRINCIPAL, 'a-0', 0);
  writeFileSync(recordFile(stand), record);
  stand.asked.length = 0;
  const second = stand.start();
  const adopted = second.adopt();
  assert.deepEqual(second.list(), []);
  await second.create(stand.input('a-0'));
  await adopted;
  assert.deepEqual(stand.asked, ['stop 0', 'listen 0', 'start 0']);
  assert.equal(stand.pids(0).length, 2);
});

for (const [why, content] of [
  ['malformed', '{"v":1,'],
  ['another principal’s', JSON.stringify({ v: 1, principal: 'iree/other', number: 0, id: 'a-0', startedAt: 1 })],
  ['another number’s', JSON.stringify({ v: 1, principal: PRINCIPAL, number: 5, id: 'a-0', startedAt: 1 })],
] as const) {
  test(`Launcher.adopt() puts a record aside that is ${why}, ends what runs under its number, and starts`, async (context) => {
    const stand = await launcherStand(context);
    const first = stand.start();
    await first.create(stand.input('a-0'));
    first.release();
    writeFileSync(recordFile(stand), content);
    const second = stand.start();
    await second.adopt();
    assert.deepEqual(stand.pids(0), []);
    assert.deepEqual(second.list(), []);
    assert.equal(readFileSync(`${recordFile(stand)}.malformed`, 'utf8'), content);
    await second.create(stand.input('a-1'));
    assert.equal(stand.pids(0).length, 2);
  });
}

test('Launcher.adopt() ends what runs under a number that is nobody’s', async (context) => {
  const stand = await launcherStand(context);
  const first = stand.start();
  await first.create(stand.input('a-0'));
  first.release();
  rmSync(`${stand.paths.launcherStateDirectory}/principals.json`);
  const second = stand.start();
  await second.adopt();
  assert.deepEqual(stand.pids(0), []);
});

test('Launcher tells the end of a sandbox although it cannot be written down, and keeps the report for the next', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  await launcher.create(stand.input('a-0'));
  await told(launcher, isRunning);
  const record = readFileSync(recordFile(stand));
  // Renaming a file over a directory fails, as every write would on a full disk.
  rmSync(recordFile(stand));
  mkdirSync(recordFile(stand));
  process.kill(stand.tree.group('sandbox-0').pids()[0] ?? 0, 'SIGKILL');
  await told(launcher, isExited);
  assert.ok(stand.said.includes('its end was not written down'));
  assert.deepEqual(launcher.list()[0]?.exit, { code: 7, signal: null });
  rmdirSync(recordFile(stand));
  writeFileSync(recordFile(stand), record);
  const next = stand.start();
  await next.adopt();
  await told(next, isExited);
  assert.deepEqual(next.list()[0]?.exit, { code: 7, signal: null });
});

test('Launcher starts a proxy that was lost again, and tells watchers', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  await launcher.create(stand.input('a-0'));
  const seen = (async () => {
    for await (const info of launcher.watch(AbortSignal.timeout(20_000))) if (info.proxyRestarts === 1) return true;
    return false;
  })();
  await stand.crashProxy(0);
  assert.equal(await seen, true);
  while (stand.proxies.size === 0) await new Promise(setImmediate);
  assert.deepEqual(stand.asked, ['listen 0', 'start 0', 'start 0']);
});

test('Launcher.authorize() is kept, and told to a proxy before its keys, also when launcher and proxy are new; a broken list grants nothing', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  const list = { grants: [{ actions: ['matrix/join'], targets: ['iree/**'] }], denials: [{ actions: ['**'], targets: ['iree/secret'] }] };
  await launcher.create(stand.input('a-0'));
  assert.deepEqual(stand.fed, ['configure'], 'nobody has said anything: the proxy keeps its own default');
  await launcher.authorize(PRINCIPAL, list);
  assert.deepEqual(stand.fed.splice(0), ['configure', `authorize ${JSON.stringify(list)}`, 'configure']);
  launcher.release();
  await stand.start().adopt();
  assert.deepEqual(stand.fed.splice(0), [`authorize ${JSON.stringify(list)}`, 'configure']);
  writeFileSync(`${stand.paths.launcherStateDirectory}/0.authorization.json`, '{"grants":');
  await stand.start().adopt();
  assert.deepEqual(stand.fed, ['authorize {"grants":[],"denials":[]}', 'configure']);
});

test('Launcher.create() leaves no temporary file behind', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  await launcher.create(stand.input('a-0'));
  await launcher.rotate(PRINCIPAL, stand.input('a-0').bundle ?? new Uint8Array());
  await launcher.destroy(PRINCIPAL, 'a-0', 0);
  assert.deepEqual(readdirSync(stand.paths.launcherStateDirectory), ['0.bundle.age', '0.bundle.json', '0.sandbox.json', 'principals.json']);
});
