// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { after, afterEach, before, test, type TestContext } from 'node:test';
import {
  copyCheckout,
  difference,
  identity,
  runCommand,
  startPulse,
  startStand,
  until,
  type Footprint,
  type Pulse,
  type Stand,
} from '@bureau/testkit';

/** What came back within it on a loaded machine came back by itself; measured: below 1 s. */
const BACK_MILLISECONDS = 20_000;
/** A payload that lives on may miss its proxy for this long at most; measured: below 1 s. */
const OUTAGE_MILLISECONDS = 5_000;
/** Synapse takes 1 to 2 s to start, and the daemon asks again after a pause. */
const HOMESERVER_MILLISECONDS = 60_000;
const UP_MILLISECONDS = 120_000;
const DEMO = 'demo/hello';

interface ServiceStatus {
  readonly name: string;
  readonly state: string;
  readonly pid: number | null;
  readonly restarts: number;
  readonly lastExit?: string;
}

interface MachineStatus {
  readonly services: readonly ServiceStatus[];
  readonly daemon: {
    readonly build: string;
    readonly sync: string;
    readonly launcher: string;
    readonly lastSyncAt: number | null;
    readonly status: { readonly principals: readonly { readonly principal: string; readonly state: string; readonly restarts: number }[] };
  } | null;
}

let stand: Stand;
let pulse: Pulse;
/** What the stand holds with all that runs in it. */
let settled: Footprint;
const builds = new Set<string>();
before(async () => {
  stand = await startStand();
  pulse = await startPulse(stand, 'fault/pulse', BACK_MILLISECONDS);
  settled = await stand.leaks.atRest();
});
afterEach(async () => await assertSettled());
after(async () => {
  await stand.end();
  for (const build of builds) rmSync(`/usr/lib/bureau/${build}`, { recursive: true, force: true });
});

/**
 * The same processes, sockets, mounts, groups and files as before. How they share network namespaces is left out: a relay lives on in
 * the one of the launcher that started it.
 */
async function assertSettled(): Promise<void> {
  const changes = (): string[] => {
    const now = stand.leaks.snapshot();
    return [
      ...difference({ ...settled, networkNamespaces: [] }, { ...now, networkNamespaces: [] }),
      ...stand.leaks.zombies().flatMap(({ role, parent }) => (parent === 1 ? [] : [`+ zombie of ${role}`])),
    ];
  };
  await until('the stand holds what it held', BACK_MILLISECONDS, () => changes().length === 0).catch((error: unknown) => {
    throw new Error(`leaked:\n${changes().join('\n')}`, { cause: error });
  });
}

async function machineStatus(): Promise<MachineStatus | undefined> {
  const { code, stdout } = await stand.bureau(['machine', 'status', '--json']);
  return code === 0 ? (JSON.parse(stdout) as MachineStatus) : undefined;
}

/** Live, connected, and both agents running: what a person calls "back". */
function isWell(status: MachineStatus | undefined): boolean {
  const principals = status?.daemon?.status.principals ?? [];
  return (
    status?.daemon?.sync === 'live' &&
    status.daemon.launcher === 'connected' &&
    status.services.every(({ state }) => state === 'running') &&
    [DEMO, pulse.principal].every((name) => principals.some(({ principal, state }) => principal === name && state === 'running'))
  );
}

async function untilWell(milliseconds = BACK_MILLISECONDS): Promise<MachineStatus> {
  let last: MachineStatus | undefined;
  await until('the machine is well again', milliseconds, async () => isWell((last = await machineStatus()))).catch((error: unknown) => {
    throw new Error(`The machine did not come back: ${JSON.stringify(last)}`, { cause: error });
  });
  assert.ok(last !== undefined);
  return last;
}

const SANDBOXES = /^(payload|relay):/;

function service(status: MachineStatus, name: string): ServiceStatus {
  const found = status.services.find((each) => each.name === name);
  assert.ok(found !== undefined, `machine status lacks ${name}`);
  return found;
}

/** Kills, and waits for the payload's next good call; the sandboxes must be the same afterwards. */
async function killAndMeasure(t: TestContext, roles: readonly string[]): Promise<void> {
  const sandboxes = stand.lasting(SANDBOXES);
  const victims = roles.map((role) => stand.process(role));
  const earlier = await machineStatus();
  assert.ok(earlier !== undefined);
  const killed = Date.now();
  for (const { pid } of victims) process.kill(pid, 'SIGKILL');
  await until('every victim has a successor', BACK_MILLISECONDS, () =>
    roles.every((role, at) => stand.processes().some((each) => each.role === role && !each.zombie && each.pid !== victims[at]?.pid)),
  );
  await pulse.answers(Date.now());
  const status = await untilWell();
  t.diagnostic(`${roles.join(' + ')}: calls failed for ${pulse.outage(killed)} ms, all well after ${Date.now() - killed} ms`);
  assert.deepEqual(stand.lasting(SANDBOXES), sandboxes, 'no sandbox ended');
  assert.ok(pulse.outage(killed) < OUTAGE_MILLISECONDS, `the payload had no answer for ${pulse.outage(killed)} ms`);
  for (const role of roles) {
    const name = role.replace(':', '-');
    const { restarts, lastExit, pid } = service(status, name);
    assert.equal(restarts, service(earlier, name).restarts + 1, `machine status counts the restart of ${name}`);
    // Of one that an earlier service manager started nobody can tell how it ended.
    assert.match(lastExit ?? '', /^(SIGKILL|ended)$/, `machine status says how ${name} ended`);
    assert.equal(pid, stand.process(role).pid);
  }
}

test('kill -9 of the launcher: it comes back, the payloads live on, no call fails', async (t) => {
  const killed = Date.now();
  await killAndMeasure(t, ['launcher']);
  assert.deepEqual(
    pulse.calls(killed).filter(({ outcome }) => outcome !== 'ok'),
    [],
  );
});

test('kill -9 of the daemon: it comes back, the payloads live on, no call fails', async (t) => {
  const killed = Date.now();
  await killAndMeasure(t, ['daemon']);
  assert.deepEqual(
    pulse.calls(killed).filter(({ outcome }) => outcome !== 'ok'),
    [],
  );
});

test('kill -9 of a proxy: it comes back with its keys, and the same payload gets answers again', async (t) => {
  await killAndMeasure(t, [`proxy:${pulse.number}`]);
});

test('kill -9 of launcher, daemon and both proxies at once: all come back, the payloads live on', async (t) => {
  const proxies = stand.processes().flatMap(({ role, zombie }) => (/^proxy:\d/.test(role) && !zombie ? [role] : []));
  assert.equal(proxies.length, 2);
  await killAndMeasure(t, ['launcher', 'daemon', ...proxies]);
});

test('kill -9 of a relay: its sandbox ends whole, and the daemon starts it again', async (t) => {
  const mine = stand.lasting(new RegExp(`^(payload|relay):${pulse.number}$`));
  const others = stand.lasting(SANDBOXES).filter((each) => !mine.includes(each));
  const killed = Date.now();
  process.kill(stand.process(`relay:${pulse.number}`).pid, 'SIGKILL');
  await until('nothing of the old sandbox', BACK_MILLISECONDS, () => stand.lasting(SANDBOXES).every((each) => !mine.includes(each)));
  const gone = Date.now() - killed;
  await pulse.answers(killed + gone);
  t.diagnostic(`sandbox gone after ${gone} ms, calls failed for ${pulse.outage(killed)} ms`);
  const status = await untilWell();
  const mended = status.daemon?.status.principals.find(({ principal }) => principal === pulse.principal);
  assert.equal(mended?.restarts, 1);
  assert.deepEqual(
    stand.lasting(SANDBOXES).filter((each) => others.includes(each)),
    others,
    'the other sandbox has nothing to do with it',
  );
});

test('kill -9 of the homeserver: sandboxes and proxies go on, it comes back, the daemon is live again', async (t) => {
  const rest = stand.lasting(/^(payload|relay|proxy|launcher|daemon)/);
  const killed = Date.now();
  process.kill(stand.process('homeserver').pid, 'SIGKILL');
  await until('the daemon has heard of the homeserver again', HOMESERVER_MILLISECONDS, async () => {
    const status = await machineStatus();
    return isWell(status) && (status?.daemon?.lastSyncAt ?? 0) > killed && service(status as MachineStatus, 'homeserver').restarts === 1;
  });
  t.diagnostic(`daemon live again after ${Date.now() - killed} ms`);
  assert.deepEqual(stand.lasting(/^(payload|relay|proxy|launcher|daemon)/), rest, 'nobody else ended');
  assert.deepEqual(
    pulse.calls(killed).filter(({ outcome }) => outcome !== 'ok'),
    [],
    'who I am needs no homeserver',
  );
  const { code, stdout } = await stand.bureau(['run', 'fault/after', '--', 'echo', 'works']);
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'works\n' });
});

test('kill -9 of the stand: all live on, script/up takes them over', async (t) => {
  const rest = stand.lasting().filter((each) => !each.startsWith('stand '));
  const killed = Date.now();
  process.kill(stand.process('stand').pid, 'SIGKILL');
  await until('the stand dead', BACK_MILLISECONDS, () => !stand.processes().some(({ role, zombie }) => role === 'stand' && !zombie));
  const told = await stand.bureau(['machine', 'status']);
  assert.equal(told.code, 1);
  assert.match(told.stderr, /service manager does not answer; start the stand with "script\/up --instance/);
  assert.deepEqual(stand.lasting(), rest);
  const up = await stand.up();
  assert.equal(up.code, 0, up.stderr);
  await untilWell();
  t.diagnostic(`script/up took ${Math.round(up.milliseconds)} ms, calls failed for ${pulse.outage(killed)} ms`);
  assert.deepEqual(
    stand.lasting().filter((each) => !each.startsWith('stand ')),
    rest,
    'every process is the one that it was',
  );
  assert.deepEqual(
    pulse.calls(killed).filter(({ outcome }) => outcome !== 'ok'),
    [],
  );
});

test('what was taken over from a killed stand is kept running like before', async (t) => {
  await killAndMeasure(t, ['launcher']);
});

test('kill -9 of everything: script/up recovers over stale sockets, locks and records', async (t) => {
  const before = stand.lasting();
  const live = stand.processes().filter(({ zombie }) => !zombie);
  // The service manager first: it would start anew what is being killed.
  for (const { pid } of live.toSorted((a, b) => Number(b.role === 'stand') - Number(a.role === 'stand'))) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH', 'a sandbox ends with its relay');
    }
  }
  // Those that waited for an agent too: they are the launcher's and the stand's, which are dead.
  const alive = (): string[] => stand.processes().flatMap((each) => (each.zombie ? [] : [identity(each)]));
  await until('nothing alive', BACK_MILLISECONDS, () => alive().length === 0).catch((error: unknown) => {
    throw new Error(`still alive: ${alive().join(', ')}`, { cause: error });
  });
  for (const path of [stand.paths.standSocket, stand.paths.launcherSocket, stand.paths.daemonSocket])
    assert.ok(existsSync(path), `${path} is stale`);
  assert.equal(readdirSync(stand.paths.principalsDir).length, 2, 'directories of two principals are stale');
  const up = await stand.up();
  assert.equal(up.code, 0, up.stderr);
  const began = Date.now();
  await pulse.answers(began);
  await untilWell();
  t.diagnostic(`script/up took ${Math.round(up.milliseconds)} ms`);
  assert.deepEqual(
    stand.lasting().filter((each) => before.includes(each)),
    [],
  );
});

test('script/up from a changed checkout replaces stand, launcher, daemon and proxies under the running payloads', async (t) => {
  using copy = copyCheckout();
  appendFileSync(`${copy.root}/packages/core/src/index.ts`, `// ${stand.name}\n`);
  const sandboxes = stand.lasting(SANDBOXES);
  const ours = stand.lasting(/^(stand|launcher|daemon|proxy)/);
  const homeserver = stand.lasting(/^homeserver$/);
  const began = Date.now();
  const up = await runCommand(`${copy.root}/script/up`, ['--instance', stand.name, '--json'], { timeoutMilliseconds: UP_MILLISECONDS });
  assert.equal(up.code, 0, up.stderr);
  const build = /replacing build [0-9a-f]+[^]*started build ([0-9a-f]{16})/.exec(up.stderr)?.[1] ?? '';
  assert.notEqual(build, '', up.stderr);
  builds.add(build);
  await pulse.answers(Date.now());
  const status = await untilWell();
  t.diagnostic(`script/up took ${Math.round(up.milliseconds)} ms, calls failed for ${pulse.outage(began)} ms`);
  assert.equal(status.daemon?.build, build);
  assert.deepEqual(stand.lasting(SANDBOXES), sandboxes, 'the payloads are the same processes');
  assert.deepEqual(stand.lasting(/^homeserver$/), homeserver);
  assert.deepEqual(
    stand.lasting(/^(stand|launcher|daemon|proxy)/).filter((each) => ours.includes(each)),
    [],
    'everything of ours is new',
  );
  // One that only waited for an agent ends when it sees that who kept it has gone.
  const older = (): string[] =>
    stand
      .processes()
      .filter(({ role, zombie }) => !zombie && /^(stand|launcher|daemon|proxy)/.test(role))
      .flatMap(({ role, args }) => (args.some((arg) => arg.includes(`/${build}/`)) ? [] : [`${role}: ${args.join(' ')}`]));
  await until('nothing of the older build', BACK_MILLISECONDS, () => older().length === 0).catch((error: unknown) => {
    throw new Error(older().join('\n'), { cause: error });
  });
  assert.ok(pulse.outage(began) < OUTAGE_MILLISECONDS, `the payload had no answer for ${pulse.outage(began)} ms`);
  // A relay of the old build serves observers of the new one, and its payload posts with the new proxy.
  await using terminal = stand.terminal(['observe', DEMO]);
  terminal.send('after the upgrade\r');
  await terminal.waitFor(/said in \S+ after the upgrade/, BACK_MILLISECONDS);
});

test('script/down after kill -9 of the stand leaves nothing that runs', async () => {
  process.kill(stand.process('stand').pid, 'SIGKILL');
  await until('the stand dead', BACK_MILLISECONDS, () => !stand.processes().some(({ role, zombie }) => role === 'stand' && !zombie));
  const { stdout } = await stand.down();
  assert.match(stdout, /the stand is down; its state is kept/);
  const { directories, uidRanges, ...rest } = await stand.leaks.atRest();
  assert.deepEqual(rest, { processes: [], mounts: [], sockets: [], networkNamespaces: [], cgroups: [], runFiles: [] });
  assert.deepEqual(directories, [stand.paths.stateDir, stand.paths.configDir, stand.paths.logDir]);
  assert.equal(uidRanges.length, 1);
  const up = await stand.up();
  assert.equal(up.code, 0, up.stderr);
  await pulse.answers(Date.now());
});
