// SPDX-License-Identifier: Apache-2.0
// What comes at the launcher's own socket: from strangers, and from a daemon that somebody has taken over.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { speakAs, startStand, type PeerOutcome, type PeerStep, type Stand } from '@bureau/testkit';
import { titlesOf } from './catalogue.ts';
import { WeakControls } from './weak-controls.ts';

const NOBODY = 65_534;
/** Has keys and does not run: nothing but the rule is in the way. */
const PARKED = 'escape/parked';
const OTHER = 'escape/other';

let stand: Stand;
const weakControls = new WeakControls();
const directory = mkdtempSync(join(tmpdir(), 'bureau-escape-'));
before(async () => {
  chmodSync(directory, 0o755);
  stand = await startStand({ demo: false });
  for (const name of [PARKED, OTHER]) {
    const { code, stderr } = await stand.bureau(['run', name, '--', 'true']);
    assert.equal(code, 0, stderr);
  }
});
after(async () => {
  rmSync(directory, { recursive: true, force: true });
  await stand.end();
  weakControls[Symbol.dispose]();
});

const asDaemon = (steps: readonly PeerStep[]): Promise<PeerOutcome[]> => speakAs({ uid: stand.uidBase, gid: stand.uidBase }, steps);

function toLauncher(method: string, input: unknown, bytes?: Record<string, string>): PeerStep {
  return { socket: stand.paths.launcherSocket, contract: 'launcher', method, input, ...(bytes === undefined ? {} : { bytes }) };
}

function create(spec: object, more: object = {}): PeerStep {
  return toLauncher('create', {
    principal: PARKED,
    id: 'stolen-0',
    spec: { v: 1, command: ['true'], ...spec },
    holdForObserver: false,
    ...more,
  });
}

function bind(source: string, mode = 'ro', destination = '/stolen'): object {
  return { mounts: [{ type: 'bind', source, destination, mode, optional: false }] };
}

/** Each is refused by this code, and by this rule where policy speaks; the launcher lives on and starts nothing. */
async function allRefused(asked: readonly (readonly [step: PeerStep, code: string, rule?: RegExp])[]): Promise<void> {
  const { pid } = stand.process('launcher');
  const outcomes = await asDaemon(asked.map(([step]) => step));
  for (const [at, outcome] of outcomes.entries()) {
    const [step, code, rule] = asked[at] ?? assert.fail('one outcome for each');
    const shown = `${JSON.stringify(step).slice(0, 300)}: ${JSON.stringify(outcome)}`;
    assert.ok(!outcome.ok, shown);
    assert.equal(outcome.code, code, shown);
    if (rule !== undefined) assert.match(outcome.message, rule, shown);
  }
  assert.equal(stand.process('launcher').pid, pid, 'the launcher lives on');
  const [list] = await asDaemon([toLauncher('list', {})]);
  assert.ok(list?.ok === true && !JSON.stringify(list.output).includes('stolen-0'), JSON.stringify(list));
}

describe('the stolen daemon', () => {
  const { attack, control } = titlesOf('stolen_daemon');
  test(attack, async () => {
    const forbidden = ['/etc', '/root', '/var/lib', '/proc/1/root', '/sys/fs/cgroup', '/dev', '/var/run/docker.sock', '/run/docker.sock'];
    const own = [stand.paths.runDir, stand.paths.stateDir, stand.paths.configDir, stand.paths.workspaceOf(OTHER as never)];
    const unsayable = ['/', '/srv/../etc', '//etc', '/srv/./x', 'etc', '/etc\0', ''];
    const unknown = [
      { uid: 0 },
      { capabilities: ['CAP_SYS_ADMIN'] },
      { seccomp: 'none' },
      { profile: 'none' },
      { isolation: 'none' },
      { network: 'host' },
    ];
    await allRefused([
      ...[...forbidden, ...own].map((source) => [create(bind(source)), 'spec_refused', /mount_source_forbidden/] as const),
      ...['/usr', stand.paths.configDir].map((source) => [create(bind(source, 'rw')), 'spec_refused', /mount_source_forbidden/] as const),
      [create(bind('/srv')), 'spec_refused', /mount_source_not_listed/],
      ...unsayable.map((source) => [create(bind(source)), 'invalid_input'] as const),
      ...unknown.map((field) => [create(field), 'invalid_input'] as const),
      [create({ profile: 'debug' }), 'spec_refused', /profile_not_allowed/],
      [create({ environment: { BUREAU_PRINCIPAL: OTHER } }), 'spec_refused', /environment_reserved/],
      [create({}, { uid: 0 }), 'invalid_input'],
      [create({}, { principal: 'escape/without-keys' }), 'no_credentials'],
      [toLauncher('rotate', { principal: PARKED }, { bundle: await bundleOf(OTHER) }), 'bundle_principal'],
      [
        toLauncher('rotate', { principal: PARKED }, { bundle: Buffer.from('age-encryption.org/v1\n').toString('base64') }),
        'bundle_unreadable',
      ],
    ]);
    const audit = readFileSync(stand.paths.processLog('launcher'), 'utf8');
    for (const rule of ['mount_source_forbidden', 'mount_source_not_listed', 'profile_not_allowed', 'bundle_principal'])
      assert.match(audit, new RegExp(`"result":"refused".*${rule}|${rule}.*"result":"refused"`), `${rule} is in the audit`);
  });

  weakControls.add(control, async (weak) => {
    const weakness = { options: [{ before: ['--remount-ro', '/'], put: ['--ro-bind', '/', '/host'] }] };
    const { stdout } = await weak.run(OTHER, weakness, ['cat', '/host/etc/hostname']);
    assert.equal(stdout, readFileSync('/etc/hostname', 'utf8'));
  });

  async function bundleOf(principal: string): Promise<string> {
    const room = JSON.parse(readFileSync(stand.paths.machineFile, 'utf8')).configRoom as string;
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/state/m.bureau.credentials/${encodeURIComponent(principal)}`;
    return (await stand.matrix(path)).body['bundle'] as string;
  }
});

describe('planted links', () => {
  const { attack, control } = titlesOf('planted_link');
  test(attack, async () => {
    const victim = madeVictim('victim');
    const plant = `ln -sfn /oldroot${victim} a; ln -sfn /newroot/..${victim} b; ln -sfn /proc/1/root${victim} c; ln -sfn ../../../../..${victim} d; ls`;
    const planted = await stand.bureau(['run', PARKED, '--', 'sh', '-c', plant]);
    assert.equal(planted.code, 0, planted.stderr);
    const tmpfs = (destination: string): object => ({ mounts: [{ type: 'tmpfs', destination, size: 4096 }] });
    const places = ['a', 'b', 'c', 'd'].flatMap((name) => [`/workspace/${name}/made`, `/workspace/${name}`]);
    const more = [
      '/workspace',
      '/run/bureau',
      '/run/bureau/x',
      '/tmp/x',
      '/home/agent/x',
      '/dev/shm/x',
      '/oldroot/x',
      '/newroot',
      '/proc/x',
      '/etc/passwd',
    ];
    await allRefused([...places, ...more].map((place) => [create(tmpfs(place)), 'spec_refused', /mount_destination/] as const));
    const again = await stand.bureau(['run', PARKED, '--', 'ls', '/workspace']);
    assert.equal(again.code, 0, 'it starts over its links');
    assert.deepEqual(readdirSync(victim), []);
  });

  weakControls.add(control, async (weak) => {
    const victim = madeVictim('victim-of-control');
    symlinkSync(`/oldroot${victim}`, join(stand.paths.workspaceOf(PARKED as never), 'x'));
    await weak.run(PARKED, { options: [{ before: ['--remount-ro', '/dev'], put: ['--dir', '/workspace/x/made'] }] }, ['true']);
    assert.ok(existsSync(join(victim, 'made')), 'this bwrap has CVE-2026-87766');
  });

  /** Everybody may write here: only the way there is closed. */
  function madeVictim(name: string): string {
    const victim = join(directory, name);
    mkdirSync(victim);
    chmodSync(victim, 0o777);
    return victim;
  }
});

describe('strangers', () => {
  const { attack, control } = titlesOf('strangers_at_the_launcher');
  const status = (): PeerStep[] => [toLauncher('status', {})];
  test(attack, async () => {
    const payload = stand.uidBase + 16;
    const peers = [
      [NOBODY, NOBODY],
      [NOBODY, stand.uidBase],
      [NOBODY, 0],
      [payload, payload],
      [payload, stand.uidBase],
      [payload + 1, stand.uidBase],
      [stand.uidBase + 1, stand.uidBase],
      [0, 0],
    ] as const;
    for (const [uid, gid] of peers) {
      const [outcome] = await speakAs({ uid, gid }, status());
      assert.ok(outcome?.ok === false, `uid ${uid}, gid ${gid}: ${JSON.stringify(outcome)}`);
      assert.match(outcome.code, /^(connection_refused|connection_lost|peer_refused|EACCES|ECONNRESET|EPIPE)$/);
    }
  });

  test(control, async () => {
    const [outcome] = await asDaemon(status());
    assert.equal(outcome?.ok, true, JSON.stringify(outcome));
  });
});

describe('garbage', () => {
  const { attack, control } = titlesOf('garbage_for_the_launcher');
  test(attack, async () => {
    const { pid } = stand.process('launcher');
    const before = residentBytes(pid);
    const raws: Buffer[] = [
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      Buffer.from([0xff, 0xff, 0xff, 0xff, 0x81]),
      Buffer.from([0x7f, 0xff, 0xff, 0xff]),
      framed(Buffer.alloc(0)),
      framed(Buffer.alloc(10_000, 0x91)),
      framed(Buffer.from([0x82, ...text('type'), ...text('hello'), ...text('__proto__'), 0x81, ...text('uid'), 0])),
      framed(Buffer.from([0x82, ...text('type'), ...text('hello'), ...text('constructor'), 0x80])),
      framed(Buffer.from([0x82, ...text('type'), ...text('hello'), ...text('type'), ...text('call')])),
      framed(Buffer.from([0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
      framed(Buffer.from([0xc7, 0x04, 0x05, 1, 2, 3, 4])),
      framed(Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])),
      framed(Buffer.from([0xc1])),
    ];
    const outcomes = await asDaemon(raws.map((raw) => ({ socket: stand.paths.launcherSocket, raw: raw.toString('base64') })));
    for (const [at, outcome] of outcomes.entries()) {
      assert.ok(outcome.ok, JSON.stringify(outcome));
      const { closed } = outcome.output as { closed: boolean };
      // A claim of a frame that never comes is waited for, within the deadline of a hello, and costs nothing.
      assert.ok(closed, `attack ${at}: the connection is closed`);
    }
    await allRefused([
      [toLauncher('nonsense', {}), 'unknown_method'],
      [toLauncher('create', null), 'invalid_input'],
      [toLauncher('destroy', { principal: PARKED, id: 'x', graceMilliseconds: -1 }), 'invalid_input'],
      [toLauncher('destroy', { principal: PARKED, id: 'x', graceMilliseconds: 2 ** 60 }), 'invalid_input'],
      [create({ environment: JSON.parse('{"__proto__":{"X":"y"}}') as object }), 'invalid_input'],
    ]);
    assert.equal(stand.process('launcher').pid, pid);
    assert.ok(residentBytes(pid) - before < 64 * 1024 * 1024, 'nothing was allocated for a claim');
  });

  test(control, async () => {
    const [outcome] = await asDaemon([toLauncher('list', {})]);
    assert.equal(outcome?.ok, true, JSON.stringify(outcome));
    assert.ok(statSync(stand.paths.launcherSocket).isSocket());
  });

  function framed(body: Buffer): Buffer {
    const prefix = Buffer.alloc(4);
    prefix.writeUInt32BE(body.length);
    return Buffer.concat([prefix, body]);
  }

  function text(value: string): number[] {
    return [0xd9, value.length, ...Buffer.from(value)];
  }

  function residentBytes(pid: number): number {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
  }
});

weakControls.declare(() => stand);
