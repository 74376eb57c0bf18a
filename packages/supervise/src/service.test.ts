// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import type { Cgroup } from '@bureau/process';
import { LAST_EXIT_CHARACTERS, RESTART_PAUSE_FIRST } from './limits.ts';
import { Service } from './service.ts';
import type { ServiceDefinition } from './service-definition.ts';
import { HeardLog, PausedRestarts, STAYS, alive, openFiles, scriptService, surroundings } from './testing/supervise-fixture.ts';

interface Kept {
  readonly service: Service;
  readonly log: HeardLog;
  readonly clock: PausedRestarts;
  readonly logFile: string;
  readonly cgroup: Cgroup;
  /** Another service manager's object for the same service. */
  readonly successor: (definition: ServiceDefinition) => Service;
}

function keep(context: TestContext, definition: ServiceDefinition): Kept {
  const { tree, directory } = surroundings(context);
  const log = new HeardLog();
  const clock = new PausedRestarts();
  const logFile = `${directory}/thing.log`;
  const deps = { clock, logger: log.logger, cgroup: tree.group('thing'), logFile };
  const made = new Service(definition, deps);
  context.after(() => made.stop(0));
  return { service: made, log, clock, logFile, cgroup: deps.cgroup, successor: (other) => new Service(other, deps) };
}

/** Of the event loop: far more than any handle takes to close. */
const TURNS_MOST = 10_000;

test('Service.start() asked for twice at once starts one process', async (context) => {
  const { service, logFile } = keep(context, scriptService(`echo started; ${STAYS}`));
  await Promise.all([service.start(), service.start()]);
  await service.start();
  assert.equal(service.status.state, 'running');
  assert.equal(readFileSync(logFile, 'utf8'), 'started\n');
});

test('Service.stop() ends all of its own group and nothing of another', async (context) => {
  const { tree, directory } = surroundings(context);
  const make = (name: string): Service =>
    new Service(scriptService(STAYS, { name }), {
      clock: new PausedRestarts(),
      logger: new HeardLog().logger,
      cgroup: tree.group(name),
      logFile: `${directory}/${name}.log`,
    });
  const [one, two] = [make('one'), make('two')];
  context.after(() => two.stop(0));
  await Promise.all([one.start(), two.start()]);
  const { pid } = one;
  await one.stop(100);
  assert.equal(alive(pid), false);
  assert.deepEqual(tree.group('one').pids(), []);
  assert.equal(one.status.state, 'stopped');
  assert.ok(alive(two.pid));
  assert.equal(two.status.state, 'running');
});

test('Service.stop() kills one that ignores TERM', async (context) => {
  const { service } = keep(context, scriptService(`trap "" TERM; ${STAYS}`));
  await service.start();
  const { pid } = service;
  await service.stop(50);
  assert.equal(alive(pid), false);
});

test('Service.stop() while a restart waits starts nothing more', async (context) => {
  const { service, log, clock } = keep(context, scriptService('echo ready >&3; sleep 0.05'));
  const ended = log.next('ended by itself');
  await service.start();
  await ended;
  assert.equal(service.status.state, 'restarting');
  await service.stop(100);
  assert.equal(clock.pending, 0);
  assert.equal(service.status.state, 'stopped');
  assert.equal(service.pid, undefined);
});

test('Service.stop() cancels a start that does not come to its end', async (context) => {
  const { service, clock } = keep(context, scriptService('echo up; sleep 1000'));
  const starting = assert.rejects(service.start(), { code: 'start_cancelled' });
  await service.stop(100);
  await starting;
  assert.equal(service.status.state, 'stopped');
  assert.equal(service.pid, undefined);
  assert.equal(clock.pending, 0);
});

test('Service.start() right after a stop runs after it, whatever was under way', async (context) => {
  const { service } = keep(context, scriptService(STAYS));
  const first = service.start().catch((error: unknown) => error);
  const stopping = service.stop(1_000);
  const second = service.start();
  await Promise.all([first, stopping, second]);
  assert.equal(service.status.state, 'running');
  assert.ok(alive(service.pid));

  const { pid } = service;
  const stoppingAgain = service.stop(1_000);
  await service.start();
  await stoppingAgain;
  assert.equal(service.status.state, 'running');
  assert.notEqual(service.pid, pid);
  assert.ok(alive(service.pid));
});

test('Service starts one that ended by itself again, and ends what it left behind', async (context) => {
  // What is left behind has the mark in its command line: it must not pass for the service.
  const { service, log, clock } = keep(
    context,
    scriptService('sh -c ": mark-one; sleep 1000" & echo $! ; echo ready >&3; exec 3>&-; sleep 0.05'),
  );
  let ended = log.next('ended by itself');
  await service.start();
  const first = service.pid;
  await ended;
  ended = log.next('ended by itself');
  const running = log.next('running');
  clock.pass();
  await running;
  assert.notEqual(service.pid, first);
  assert.equal(service.status.restarts, 1);
  assert.ok(log.lines.includes('ending what the last one left'));
  await ended;
  assert.deepEqual(clock.pauses, [RESTART_PAUSE_FIRST, 2 * RESTART_PAUSE_FIRST]);
});

test('Service.start() that fails says why, bounded, and is tried again with longer pauses', async (context) => {
  const { service, log, clock } = keep(context, scriptService(`printf '%01000d' 7; exit 3`));
  await assert.rejects(service.start(), { code: 'child_failed' });
  assert.equal(service.status.state, 'failed');
  assert.match(service.status.lastExit ?? '', /exited with code 3/);
  assert.ok((service.status.lastExit ?? '').length <= LAST_EXIT_CHARACTERS);
  for (let round = 0; round < 2; round += 1) {
    const failed = log.next('did not start');
    clock.pass();
    await failed;
  }
  assert.deepEqual(
    clock.pauses,
    [1, 2, 4].map((factor) => factor * RESTART_PAUSE_FIRST),
  );
});

test('Service without restarts is not started again, and its end is told', async (context) => {
  const { service, log, clock } = keep(context, scriptService('echo ready >&3; sleep 0.05; exit 4', { restarts: false }));
  const ended = log.next('ended by itself');
  await service.start();
  await ended;
  assert.equal(service.status.state, 'stopped');
  assert.equal(service.status.lastExit, 'exit code 4');
  assert.equal(clock.pending, 0);
});

test('Service.status counts the start after an end by itself, whoever asks for it, and not the one after a stop', async (context) => {
  const { service, log } = keep(context, scriptService(STAYS, { restarts: false }));
  await service.start();
  const ended = log.next('ended by itself');
  process.kill(service.pid ?? 0, 'SIGKILL');
  await ended;
  await service.start();
  assert.equal(service.status.restarts, 1);
  await service.stop(0);
  await service.start();
  assert.equal(service.status.restarts, 1);
});

test('Service.release() leaves what runs, and a later one of the same build takes it over', async (context) => {
  const { service, clock, successor } = keep(context, scriptService(STAYS));
  await service.start();
  const { pid } = service;
  await service.release();
  assert.ok(alive(pid));
  await assert.rejects(service.start(), { code: 'start_cancelled' });
  const next = successor(scriptService(STAYS));
  await next.start();
  assert.equal(next.pid, pid);
  await next.stop(1_000);
  assert.equal(alive(pid), false);
  assert.equal(next.status.state, 'stopped');
  assert.equal(clock.pending, 0);
});

test('Service starts a taken-over one again when it ends', async (context) => {
  const { service, log, cgroup, successor } = keep(context, scriptService(STAYS));
  await service.start();
  await service.release();
  const next = successor(scriptService(STAYS));
  context.after(() => next.stop(0));
  await next.start();
  const ended = log.next('ended by itself; starting it again');
  cgroup.kill();
  await ended;
  assert.equal(next.status.state, 'restarting');
});

test('Service replaces one of another build', async (context) => {
  const { service, successor } = keep(context, scriptService(STAYS));
  await service.start();
  const { pid } = service;
  await service.release();
  const next = successor(scriptService(`: mark-two; ${STAYS}`, { mark: 'mark-two' }));
  context.after(() => next.stop(0));
  await next.start();
  assert.equal(alive(pid), false);
  assert.notEqual(next.pid, pid);
});

test('Service.start() leaves a port to whoever has it', async (context) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const { service } = keep(context, scriptService(STAYS, { ready: { by: 'port', port } }));
  await assert.rejects(service.start(), { code: 'port_taken', data: { port } });
  assert.equal(service.pid, undefined);
});

test('Service.start() of one that ends instead of listening fails at once', async (context) => {
  const { service } = keep(context, scriptService('exit 5', { ready: { by: 'port', port: 1 } }));
  await assert.rejects(service.start(), { code: 'child_failed', message: /exit code 5/ });
});

test('Service keeps no descriptor of what it passed on, started or not', async (context) => {
  const { tree, directory } = surroundings(context);
  const deps = {
    clock: new PausedRestarts(),
    logger: new HeardLog().logger,
    cgroup: tree.group('thing'),
    logFile: `${directory}/thing.log`,
  };
  const listeners = [{ path: `${directory}/a.sock` }, { path: `${directory}/b.sock` }];
  const before = openFiles();
  const bad = new Service(scriptService('exit 1', { listeners }), deps);
  await assert.rejects(bad.start(), { code: 'child_failed' });
  const unbindable = new Service(scriptService('exit 1', { listeners: [...listeners, { path: `${directory}/none/c.sock` }] }), deps);
  await assert.rejects(unbindable.start());
  const good = new Service(scriptService('test -S /proc/self/fd/3; echo ready >&5; sleep 1000', { listeners }), deps);
  await good.start();
  await good.stop(0);
  await Promise.all([bad.stop(0), unbindable.stop(0)]);
  // A pipe is closed some turns after its process has ended.
  for (let turn = 0; turn < TURNS_MOST && openFiles().length > before.length; turn += 1) await new Promise(setImmediate);
  assert.deepEqual(openFiles(), before);
});
