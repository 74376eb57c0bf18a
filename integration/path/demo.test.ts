// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { readCredentials, startStand, type Stand } from '@bureau/testkit';

/** What the playbook reads from the credential file. */
const PLAYBOOK_KEYS = [
  'MATRIX_HOMESERVER_URL',
  'MATRIX_ADMIN_USER',
  'MATRIX_ADMIN_TOKEN',
  'MATRIX_REGISTRATION_TOKEN',
  'MATRIX_SPACE_ROOM',
  'MATRIX_AGENTS_ROOM',
  'MATRIX_SYSTEM_ROOM',
  'MATRIX_MACHINE_ROOM',
  'MATRIX_SERVICE_ROOM',
  'MATRIX_TEMPLATE_ROOM',
  'MATRIX_PIPELINE_ROOM',
  'MATRIX_ARTIFACT_ROOM',
];
/** Bits of capability masks, from linux/capability.h. */
const FORBIDDEN_CAPABILITIES = { SYS_ADMIN: 21n, NET_ADMIN: 12n, SYS_PTRACE: 19n };
const SECOND_UP_MILLISECONDS = 10_000;

let stand: Stand;
before(async () => (stand = await startStand()));
afterEach(async () => await stand.assertUnchanged());
after(async () => await stand.end());

/** The fields of `/proc/PID/status`. */
function statusOf(pid: number): Map<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n');
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]));
}

/** Names of the network devices that a process sees. */
function devicesOf(pid: number): string[] {
  const lines = readFileSync(`/proc/${pid}/net/dev`, 'utf8').split('\n').slice(2);
  return lines.map((line) => line.split(':')[0]?.trim() ?? '').filter((name) => name !== '');
}

test('script/up --json says where everything is', () => {
  const { facts, name } = stand;
  assert.match(facts.homeserver, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.equal(facts.server_name, 'bureau.local');
  assert.equal(facts.run_dir, `/run/bureau-${name}`);
  assert.equal(facts.credential_file, `/etc/bureau-${name}/credentials`);
  assert.match(facts.machine, /^@machine\/[a-z0-9-]+:bureau\.local$/);
  assert.equal(facts.demo?.principal, 'demo/hello');
  assert.match(facts.demo?.event_id ?? '', /^\$/);
  assert.match(facts.demo?.body ?? '', /I am demo\/hello/);
  assert.equal(stand.first.stdout.trim().split('\n').length, 1, 'nothing but the object on stdout');
});

test('script/up prints a line with seconds for each step', () => {
  for (const step of [
    'host',
    'settings',
    'keys',
    'configure',
    'manager',
    'homeserver',
    'launcher',
    'accounts',
    'rooms',
    'machine',
    'daemon',
    'sync',
    'demo',
  ]) {
    assert.match(stand.first.stderr, new RegExp(`^${step} +[✓·] .*\\(\\d+\\.\\d s\\)$`, 'm'));
  }
});

test('the demo agent has posted to the real room under its own name', async () => {
  const credentials = readCredentials(stand.facts.credential_file);
  const room = encodeURIComponent(credentials.get('MATRIX_AGENTS_ROOM') ?? '');
  const event = encodeURIComponent(stand.facts.demo?.event_id ?? '');
  const { status, body } = await stand.matrix(`/_matrix/client/v3/rooms/${room}/event/${event}`);
  assert.equal(status, 200);
  assert.equal(body['sender'], '@demo/hello:bureau.local');
  assert.equal(body['type'], 'm.room.message');
  assert.equal((body['content'] as { body: string }).body, stand.facts.demo?.body);
});

test('a second script/up finds everything running and leaves the demo agent alone', async () => {
  const before = stand.processes().filter(({ role }) => role === 'payload:0' || role === 'relay:0');
  const second = await stand.up();
  assert.equal(second.code, 0, second.stderr);
  assert.ok(second.milliseconds < SECOND_UP_MILLISECONDS, `expected less than 10 s, took ${second.milliseconds} ms`);
  assert.deepEqual(JSON.parse(second.stdout), stand.facts);
  assert.match(second.stderr, /^homeserver +· already running/m);
  assert.match(second.stderr, /^demo +· demo\/hello says/m);
  const after = stand.processes().filter(({ role }) => role === 'payload:0' || role === 'relay:0');
  assert.deepEqual(
    after.map(({ pid, startTime }) => ({ pid, startTime })),
    before.map(({ pid, startTime }) => ({ pid, startTime })),
  );
});

test('machine status shows every service, the live sync and the demo agent', async () => {
  const shown = await stand.bureau(['machine', 'status']);
  assert.equal(shown.code, 0, shown.stderr);
  for (const service of ['homeserver', 'launcher', 'daemon']) assert.match(shown.stdout, new RegExp(`^${service} +running`, 'm'));
  assert.match(shown.stdout, /^sync live.*launcher connected$/m);
  assert.match(shown.stdout, /^demo\/hello +running/m);
  const { services, daemon } = JSON.parse((await stand.bureau(['machine', 'status', '--json'])).stdout);
  assert.equal(daemon.machine, stand.facts.machine);
  assert.ok(services.every((service: { state: string; restarts: number }) => service.state === 'running' && service.restarts === 0));
});

test('machine plan has nothing to do', async () => {
  const { code, stdout } = await stand.bureau(['machine', 'plan', '--json']);
  assert.equal(code, 0);
  assert.deepEqual((JSON.parse(stdout) as { actions: unknown }).actions, []);
  assert.match((await stand.bureau(['machine', 'plan'])).stdout, /nothing to do/);
});

test('agent list knows the demo agent', async () => {
  const { code, stdout } = await stand.bureau(['agent', 'list', '--json']);
  assert.equal(code, 0);
  const { agents } = JSON.parse(stdout);
  assert.equal(agents.length, 1);
  assert.deepEqual(
    { principal: agents[0].principal, state: agents[0].state, restarts: agents[0].restarts },
    { principal: 'demo/hello', state: 'running', restarts: 0 },
  );
});

test('doctor host and matrix doctor find nothing that fails', async () => {
  for (const words of [
    ['doctor', 'host'],
    ['matrix', 'doctor'],
  ]) {
    const { code, stdout, stderr } = await stand.bureau(words);
    assert.equal(code, 0, `${words.join(' ')}: ${stdout}${stderr}`);
  }
});

test('every process has the user of the design', () => {
  const { uidBase } = stand;
  assert.equal(stand.process('stand').uid, 0);
  assert.equal(stand.process('launcher').uid, 0);
  assert.equal(stand.process('daemon').uid, uidBase);
  assert.equal(stand.process('homeserver').uid, uidBase + 1);
  assert.equal(stand.process('relay:0').uid, uidBase + 16);
  assert.equal(stand.process('proxy:0').uid, uidBase + 17);
  const payload = stand.processes().filter(({ role }) => role === 'payload:0');
  assert.ok(payload.some(({ args }) => args.some((arg) => arg.endsWith('/demo-agent.js'))));
  assert.ok(payload.every(({ uid }) => uid === uidBase + 16));
  for (const role of ['daemon', 'homeserver', 'relay:0', 'proxy:0']) {
    const status = statusOf(stand.process(role).pid);
    assert.deepEqual(new Set(status.get('Uid')?.split('\t')), new Set([`${stand.process(role).uid}`]), `${role} has no way back to root`);
    assert.equal(status.get('CapEff'), '0000000000000000', role);
    assert.equal(status.get('CapBnd'), '0000000000000000', role);
    assert.equal(status.get('NoNewPrivs'), '1', role);
  }
});

test('nothing runs from the checkout, and no argument holds a secret', () => {
  const credentials = readCredentials(stand.facts.credential_file);
  const secrets = [credentials.get('MATRIX_ADMIN_TOKEN') ?? '', credentials.get('MATRIX_REGISTRATION_TOKEN') ?? ''];
  for (const { args, role } of stand.processes()) {
    assert.ok(
      !args.some((arg) => arg.startsWith(`${import.meta.dirname.replace(/\/integration\/path$/, '')}/`)),
      `${role} runs from the checkout`,
    );
    for (const secret of secrets) assert.ok(secret.length > 8 && !args.some((arg) => arg.includes(secret)), `${role} shows a secret`);
  }
});

test('the launcher lives in a network namespace of its own that has only lo', () => {
  const { pid } = stand.process('launcher');
  const own = readlinkSync(`/proc/${pid}/ns/net`);
  assert.notEqual(own, readlinkSync('/proc/self/ns/net'));
  assert.deepEqual(devicesOf(pid), ['lo']);
  assert.ok(devicesOf(process.pid).length >= 1);
  assert.equal(stand.process('relay:0').networkNamespace, own);
  for (const role of ['stand', 'homeserver', 'daemon', 'proxy:0'])
    assert.equal(stand.process(role).networkNamespace, readlinkSync('/proc/self/ns/net'), role);
});

test('the payload has a network namespace that nobody shares', () => {
  // bwrap's own processes have the same words in their arguments, and the outer one lives in the launcher's namespace.
  const agent = stand.processes().find(({ args }) => args[1]?.endsWith('/demo-agent.js'));
  assert.ok(agent !== undefined);
  assert.deepEqual(devicesOf(agent.pid), ['lo']);
  assert.notEqual(agent.networkNamespace, stand.process('launcher').networkNamespace);
  assert.notEqual(agent.networkNamespace, readlinkSync('/proc/self/ns/net'));
});

test('the bounding set of the launcher lacks what would break the split', () => {
  const status = statusOf(stand.process('launcher').pid);
  for (const set of ['CapBnd', 'CapEff', 'CapPrm', 'CapInh', 'CapAmb']) {
    const mask = BigInt(`0x${status.get(set)}`);
    for (const [name, bit] of Object.entries(FORBIDDEN_CAPABILITIES)) assert.equal(mask & (1n << bit), 0n, `${set} holds ${name}`);
  }
});

test('the credential file is root’s alone and has the playbook’s keys', async () => {
  const { mode, uid, gid } = statSync(stand.facts.credential_file);
  assert.deepEqual({ mode: mode & 0o7777, uid, gid }, { mode: 0o600, uid: 0, gid: 0 });
  const credentials = readCredentials(stand.facts.credential_file);
  assert.deepEqual(
    PLAYBOOK_KEYS.filter((key) => (credentials.get(key) ?? '') === ''),
    [],
  );
  const { status, body } = await stand.matrix('/_matrix/client/v3/account/whoami');
  assert.equal(status, 200);
  assert.equal(body['user_id'], credentials.get('MATRIX_ADMIN_USER'));
});
