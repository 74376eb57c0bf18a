// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { speakAs, startStand, until, type PeerOutcome, type PeerStep, type Stand } from '@bureau/testkit';
import { countInLockedMemory, countInMemory } from './memory.testing.ts';

/**
 * A daemon that is somebody else's: it has every ciphertext that Matrix carries, its uid, and the launcher's socket. It plays every
 * operation, then everything that its uid can read is searched for the secrets.
 */
const WAIT_MILLISECONDS = 20_000;
const [MINE, OTHER, FRESH] = ['keys/mine', 'keys/other', 'keys/fresh'];
const SECRETS = { MINE_KEY: 'mine-0d9f7a31c2', OTHER_KEY: 'other-71b5e8d04f', FILE_KEY: 'file-5c3e91aa76' };
/** What the signer allows: it looks at the file, and tells nobody what is in it. */
const ALLOWED = {
  v: 1,
  command: [
    'sh',
    '-c',
    'stat -c "%a %u %F" /run/bureau/secrets/token; sha256sum < /run/bureau/secrets/token; id -u; echo x > /run/bureau/secrets/y || echo read-only; sleep 1000',
  ],
  secretFiles: ['FILE_KEY'],
};

let stand: Stand;
let folder: string;
let daemon = 0;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bureau-hostile-'));
  stand = await startStand({ demo: false });
  for (const [name, value] of Object.entries(SECRETS)) writeFileSync(join(folder, name), value);
  await provision(MINE, 'MINE_KEY');
  await provision(OTHER, 'OTHER_KEY');
  for (const principal of [MINE, OTHER]) {
    const { code, stderr } = await stand.bureau(['agent', 'deploy', principal, '--', 'sleep', '1000']);
    assert.equal(code, 0, stderr);
  }
  await provision(FRESH, 'FILE_KEY', { files: { FILE_KEY: 'token' } });
  // The real one would tidy up what the hostile one makes.
  daemon = stand.process('daemon').pid;
});
after(async () => {
  process.kill(daemon, 'SIGCONT');
  await stand.end();
  rmSync(folder, { recursive: true });
});

async function provision(principal: string, secret: string, more: Record<string, unknown> = {}): Promise<void> {
  const upstreams = { model: { url: 'https://model.invalid', inject: [{ secret, header: 'X-Api-Key' }] } };
  writeFileSync(join(folder, 'services.jsonc'), JSON.stringify({ upstreams, ...more }));
  const words = ['--services', join(folder, 'services.jsonc'), '--secret', `${secret}=file:${join(folder, secret)}`];
  const { code, stderr } = await stand.bureau(['credential', 'provision', principal, ...words]);
  assert.equal(code, 0, stderr);
}

/** The ciphertext of a principal, as Matrix carries it. */
async function bundleOf(principal: string): Promise<string> {
  const { configRoom } = JSON.parse(readFileSync(stand.paths.machineFile, 'utf8')) as { configRoom: string };
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(configRoom)}/state/m.bureau.credentials/${encodeURIComponent(principal)}`;
  return ((await stand.matrix(path)).body as { bundle: string }).bundle;
}

const asDaemon = (steps: readonly PeerStep[]): Promise<PeerOutcome[]> => speakAs({ uid: stand.uidBase, gid: stand.uidBase }, steps);
const launcher = (method: string, input: unknown, bundle?: string): PeerStep => ({
  ...{ socket: stand.paths.launcherSocket, contract: 'launcher', method, input },
  ...(bundle === undefined ? {} : { bytes: { bundle } }),
});
const create = (principal: string, spec: Record<string, unknown>, bundle?: string): PeerStep =>
  launcher(
    'create',
    { principal, id: 'stolen-0', spec: { v: 1, command: ['cat', '/run/bureau/secrets/token'], ...spec }, holdForObserver: false },
    bundle,
  );

/** Files of the stand, and of every process, that a uid can read and that hold one of the secrets. */
function readableWith(uid: number): string[] {
  const { runDir, stateDir, logDir, configDir } = stand.paths;
  const pids = stand.processes().flatMap(({ pid, zombie }) => (zombie ? [] : [`/proc/${pid}/environ`, `/proc/${pid}/cmdline`]));
  const patterns = Object.values(SECRETS).flatMap((secret) => ['-e', secret]);
  const grep = [
    'grep',
    '--recursive',
    '--files-with-matches',
    '--text',
    '--no-messages',
    '--devices=skip',
    ...patterns,
    '--',
    runDir,
    stateDir,
    logDir,
    configDir,
    ...pids,
  ];
  const { stdout } = spawnSync('/usr/bin/setpriv', [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', ...grep], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  return stdout.split('\n').filter((line) => line !== '');
}

/** How often a proxy was given keys, by its own log. */
function timesTold(role: string): number {
  return readFileSync(stand.paths.processLog(role.replace(':', '-')), 'utf8').split(/"what":"proxy\.(?:configure|rotate)"/).length - 1;
}

const flipped = (bundle: string): string => {
  const bytes = Buffer.from(bundle, 'base64');
  bytes[bytes.length - 40] = (bytes.at(-40) ?? 0) ^ 1;
  return bytes.toString('base64');
};

test('every trick that a stolen daemon has is refused by name, and no secret is anywhere that its uid can read', async () => {
  const old = await bundleOf(MINE);
  const rotations = (): number => readFileSync(stand.paths.processLog('launcher'), 'utf8').split('"rotate"').length;
  const before = rotations();
  await provision(MINE, 'MINE_KEY');
  const [mine, other, fresh] = [await bundleOf(MINE), await bundleOf(OTHER), await bundleOf(FRESH)];
  await until('the launcher to have it', WAIT_MILLISECONDS, () => rotations() > before);
  process.kill(daemon, 'SIGSTOP');
  const bind = (source: string): Record<string, unknown> => ({ mounts: [{ type: 'bind', source, destination: '/mnt' }] });
  const { launcherStateDirectory, configDir, escrowKeyFile, principalsDir } = stand.paths;
  const tricks: readonly (readonly [string, PeerStep, string])[] = [
    ['another principal’s bundle, rotated in', launcher('rotate', { principal: MINE }, other), 'bundle_principal'],
    ['another principal’s bundle, for a new sandbox', create('keys/thief', {}, other), 'bundle_principal'],
    ['an older bundle', launcher('rotate', { principal: MINE }, old), 'bundle_replayed'],
    ['a bundle with a bit changed', launcher('rotate', { principal: MINE }, flipped(mine)), 'bundle_unreadable'],
    ['half a bundle', launcher('rotate', { principal: MINE }, mine.slice(0, 400)), 'bundle_unreadable'],
    ['no bundle', launcher('rotate', { principal: MINE }, ''), 'bundle_unreadable'],
    ['too much', launcher('rotate', { principal: MINE }, Buffer.alloc(256 * 1024 + 1).toString('base64')), 'invalid_input'],
    ['a principal without a bundle', create('keys/thief', {}), 'no_credentials'],
    ['a name that leads elsewhere', create('keys/../mine', {}, mine), 'invalid_input'],
    ['a sandbox beside the one that runs', create(MINE, {}, mine), 'principal_busy'],
    ['the launcher’s state', create(FRESH, bind(launcherStateDirectory), fresh), 'spec_refused'],
    ['the escrow key', create(FRESH, bind(escrowKeyFile), fresh), 'spec_refused'],
    ['the configuration', create(FRESH, bind(configDir), fresh), 'spec_refused'],
    ['an admin socket', create(FRESH, bind(`${principalsDir}/0/admin`), fresh), 'spec_refused'],
    ['processes of the host', create(FRESH, bind('/proc'), fresh), 'spec_refused'],
    ['a file of a secret that the bundle does not show', create(FRESH, { secretFiles: ['MATRIX_TOKEN'] }, fresh), 'spec_refused'],
    ['a file of another’s secret', create(FRESH, { secretFiles: ['OTHER_KEY'] }, fresh), 'spec_refused'],
    ['a file that it shows, for a command of the thief’s choice', create(FRESH, { secretFiles: ['FILE_KEY'] }, fresh), 'spec_refused'],
  ];
  const outcomes = await asDaemon(tricks.map(([, step]) => step));
  for (const [at, [what, , code]] of tricks.entries()) {
    const outcome = outcomes[at];
    assert.equal(outcome?.ok === false ? outcome.code : 'it was done', code, `${what}: ${JSON.stringify(outcome)}`);
  }
  // What a daemon may: the bundle that is in use already, again; and look.
  const [again, status] = await asDaemon([launcher('rotate', { principal: MINE }, mine), launcher('status', {})]);
  assert.equal(again?.ok, true, JSON.stringify(again));
  assert.equal(status?.ok, true);
  const said = JSON.stringify([...outcomes, again, status]);
  for (const secret of Object.values(SECRETS)) assert.equal(said.includes(secret), false);
  assert.deepEqual(readableWith(stand.uidBase), []);
});

test('a spec that the signer named gets its file, and nobody else: not the daemon, not after the end', async () => {
  process.kill(daemon, 'SIGCONT');
  const wrong = (await asDaemon([create(FRESH, { ...ALLOWED }, await bundleOf(FRESH))]))[0];
  assert.ok(wrong?.ok === false);
  const digest = /sha256 ([0-9a-f]{64})/.exec(wrong.message)?.[1] ?? '';
  await provision(FRESH, 'FILE_KEY', { files: { FILE_KEY: 'token' }, allowed_specs: [digest] });
  process.kill(daemon, 'SIGSTOP');
  const fresh = await bundleOf(FRESH);
  const [stolen, good] = await asDaemon([create(FRESH, { secretFiles: ['FILE_KEY'] }, fresh), create(FRESH, { ...ALLOWED }, fresh)]);
  assert.match(stolen?.ok === false ? stolen.message : '', /allowed_specs/);
  assert.equal(good?.ok, true, JSON.stringify(good));
  const { number } = (good as { output: { number: number } }).output;
  const output = (): string => (existsSync(stand.paths.outputLog(number)) ? readFileSync(stand.paths.outputLog(number), 'utf8') : '');
  await until('the payload to look at it', WAIT_MILLISECONDS, () => output().includes('read-only'));
  const uid = stand.uidBase + 16 + 2 * number;
  assert.match(output(), new RegExp(`^400 ${uid} regular file\\r?\\n[0-9a-f]{64} `));
  const file = join(stand.paths.principal(number).agentDirectory, 'secrets/token');
  assert.deepEqual([statSync(file).mode & 0o777, statSync(file).uid], [0o400, uid]);
  assert.equal(readFileSync(file, 'utf8'), SECRETS.FILE_KEY);

  // The search finds what is there, for those who may read it.
  assert.deepEqual(readableWith(0), [file]);
  assert.deepEqual(readableWith(stand.uidBase), []);
  assert.deepEqual(readableWith(uid + 1), [], 'its own proxy’s uid does not need the file');

  await asDaemon([launcher('destroy', { principal: FRESH, id: 'stolen-0', graceMilliseconds: 0 })]);
  assert.deepEqual(readableWith(0), [], 'gone with the sandbox');
});

test('no secret is left in the launcher’s memory after it fed a proxy; the proxy has it; neither leaves a core or may be traced', async () => {
  // What the test before this one ended is gone.
  await stand.leaks.atRest();
  const proxies = stand.processes().filter(({ role, zombie }) => role.startsWith('proxy:') && !zombie);
  const { pid } = stand.process('launcher');
  for (const secret of Object.values(SECRETS)) assert.equal(countInMemory(pid, secret), 0);
  for (const secret of [SECRETS.MINE_KEY, SECRETS.OTHER_KEY]) {
    assert.equal(proxies.filter((proxy) => countInMemory(proxy.pid, secret) > 0).length, 1, 'its own proxy has it, no other');
  }
  // What is held is locked. One more may lie, for each time that it was told, in the buffer that Node read the frame into, copied, and
  // freed as it was: one that was told twice may have left two, where the allocator has not given the first to anybody since.
  const told = proxies.map(({ role }) => (role === 'proxy:waiting' ? 0 : timesTold(role)));
  for (const secret of [SECRETS.MINE_KEY, SECRETS.OTHER_KEY]) {
    const locked = proxies.map((proxy) => countInLockedMemory(proxy.pid, secret));
    const found = proxies.map((proxy) => countInMemory(proxy.pid, secret));
    assert.ok(locked.some((count) => count > 0));
    assert.ok(
      found.every((count, at) => count - (locked[at] ?? 0) <= (told[at] ?? 0)),
      JSON.stringify({ locked, found, told }),
    );
  }
  assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), /^VmLck:\s+[1-9]/m, 'the launcher holds the machine’s identity');
  for (const each of [pid, ...proxies.map((proxy) => proxy.pid)]) {
    assert.match(readFileSync(`/proc/${each}/limits`, 'utf8'), /Max core file size +0 +0 /);
    assert.equal(statSync(`/proc/${each}/mem`).uid, 0, 'not dumpable: its files in /proc are root’s');
    const { status } = spawnSync('/usr/bin/setpriv', [
      `--reuid=${stand.uidBase}`,
      `--regid=${stand.uidBase}`,
      '--clear-groups',
      'head',
      '-c1',
      `/proc/${each}/maps`,
    ]);
    assert.notEqual(status, 0);
  }
});
