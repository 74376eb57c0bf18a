// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sandboxSpec, type SandboxSpec } from '@bureau/protocol';
import fc from 'fast-check';
import * as v from 'valibot';
import { defaultPolicy, launcherPolicy, readPolicy, type LauncherPolicy } from './policy-file.ts';
import { forbiddenSource } from './policy-sources.ts';
import { matchesPattern } from './policy-devices.ts';
import { judgeDevice, judgeSpec, judgeUid } from './policy.ts';
import { canonicalJson, specDigest } from './spec-digest.ts';

function spec(fields: Partial<v.InferInput<typeof sandboxSpec>> = {}): SandboxSpec {
  return v.parse(sandboxSpec, { v: 1, command: ['agent'], ...fields });
}
function binding(source: string, mode: 'ro' | 'rw' = 'ro'): SandboxSpec {
  return spec({ mounts: [{ type: 'bind', source, destination: '/mnt/x', mode }] });
}
function policy(...binds: { source: string; mode?: 'ro' | 'rw' }[]): LauncherPolicy {
  return v.parse(launcherPolicy, { v: 1, binds });
}
function ruleOf(...args: Parameters<typeof judgeSpec>): string {
  const judgement = judgeSpec(...args);
  return judgement.ok ? 'ok' : judgement.rule;
}

const FORBIDDEN =
  `/ /etc /etc/shadow /etc/bureau /etc/bureau-x/launcher.json /root /root/.ssh /home /home/ann /home/ann/.ssh /home/ann/.aws/credentials /proc /proc/1/root
  /sys /sys/fs/cgroup /dev /dev/vda /run /run/bureau /run/bureau-x/.sys/launcher.sock /run/docker.sock /var /var/run /var/run/docker.sock /var/lib /var/lib/bureau
  /var/lib/bureau/workspace/other /var/lib/bureau-x /var/lib/bureau-x/launcher /var/log /var/log/bureau /var/lib/docker /boot`.split(/\s+/);

test('judgeSpec refuses sources that no machine may give, even when the policy lists them', () => {
  for (const source of FORBIDDEN) {
    // Past the file's schema, as if the policy had been made by other means.
    const generous: LauncherPolicy = {
      ...defaultPolicy(),
      binds: [
        { source: '/', mode: 'rw' },
        { source, mode: 'rw' },
      ],
    };
    const asked: SandboxSpec = { ...spec(), mounts: [{ type: 'bind', source, destination: '/mnt/x', mode: 'ro', optional: false }] };
    assert.equal(ruleOf(asked, generous, {}), 'mount_source_forbidden', source);
  }
  for (const source of ['/usr', '/usr/lib/bureau', '/usr/local/bin', '/bin']) {
    const generous: LauncherPolicy = {
      ...defaultPolicy(),
      binds: [
        { source: '/usr', mode: 'rw' },
        { source: '/bin', mode: 'rw' },
      ],
    };
    assert.equal(ruleOf(binding(source, 'rw'), generous, {}), 'mount_source_forbidden', source);
  }
});

test('judgeSpec admits only sources that the policy lists, in the mode of the nearest rule', () => {
  assert.equal(ruleOf(binding('/srv/models'), defaultPolicy(), {}), 'mount_source_not_listed');
  const rules = policy(
    { source: '/srv' },
    { source: '/srv/out', mode: 'rw' },
    { source: '/srv/out/fixed', mode: 'ro' },
    { source: '/home/ann/project', mode: 'rw' },
  );
  const table: [string, 'ro' | 'rw', string][] = [
    ['/srv', 'ro', 'ok'],
    ['/srv/models/a', 'ro', 'ok'],
    ['/srv/models', 'rw', 'mount_source_read_only'],
    ['/srv/out', 'rw', 'ok'],
    ['/srv/out/a', 'rw', 'ok'],
    ['/srv/out/fixed', 'rw', 'mount_source_read_only'],
    ['/srv/out/fixed/a', 'ro', 'ok'],
    ['/srvx', 'ro', 'mount_source_not_listed'],
    ['/home/ann/project', 'rw', 'ok'],
    ['/home/ann/other', 'ro', 'mount_source_not_listed'],
  ];
  for (const [source, mode, expected] of table) assert.equal(ruleOf(binding(source, mode), rules, {}), expected, `${source} ${mode}`);
});

test('judgeSpec names the rule and the field', () => {
  const judgement = judgeSpec(binding('/etc/shadow'), defaultPolicy(), {});
  assert.ok(!judgement.ok);
  assert.equal(judgement.rule, 'mount_source_forbidden');
  assert.match(judgement.message, /mounts\[0\]\.source.*\/etc\/shadow.*\/etc is the host's own/);
});

test('judgeSpec holds limits, reserved names and destinations', () => {
  const narrow = v.parse(launcherPolicy, { v: 1, limits: { scratchSize: 8_192, tmpfsSize: 8_192 } });
  const small = { scratchSize: 8_192 };
  assert.equal(ruleOf(spec({ scratchSize: 8_193 }), narrow, {}), 'scratch_size');
  const two = (size: number): SandboxSpec =>
    spec({
      ...small,
      mounts: [
        { type: 'tmpfs', destination: '/a', size: 4_096 },
        { type: 'tmpfs', destination: '/b', size },
      ],
    });
  assert.equal(ruleOf(two(4_096), narrow, {}), 'ok');
  assert.equal(ruleOf(two(4_097), narrow, {}), 'tmpfs_size');
  assert.equal(ruleOf(spec({ environment: { BUREAU_PRINCIPAL: 'other' } }), defaultPolicy(), {}), 'environment_reserved');
  assert.equal(ruleOf(spec({ mounts: [{ type: 'tmpfs', destination: '/workspace/x' }] }), defaultPolicy(), {}), 'mount_destination');
  assert.equal(ruleOf(spec(), defaultPolicy(), {}), 'ok', 'the plain spec fits the default policy');
});

test('judgeSpec admits only specs that the bundle’s signer listed', () => {
  const mine = spec({ environment: { A: '1', B: '2' } });
  assert.equal(ruleOf(mine, defaultPolicy(), { allowed_specs: [specDigest(mine)] }), 'ok');
  assert.equal(ruleOf(spec({ environment: { A: '1', B: '3' } }), defaultPolicy(), { allowed_specs: [specDigest(mine)] }), 'allowed_specs');
  assert.equal(ruleOf(mine, defaultPolicy(), { allowed_specs: [] }), 'allowed_specs', 'an empty list allows nothing');
});

test('judgeSpec admits the profiles that the policy lists: strict and default unless it says otherwise', () => {
  for (const profile of ['strict', 'default'] as const) assert.equal(ruleOf(spec({ profile }), defaultPolicy(), {}), 'ok');
  assert.equal(ruleOf(spec({ profile: 'debug' }), defaultPolicy(), {}), 'profile_not_allowed');
  const only = v.parse(launcherPolicy, { v: 1, profiles: ['debug'] });
  assert.equal(ruleOf(spec({ profile: 'debug' }), only, {}), 'ok');
  assert.equal(ruleOf(spec(), only, {}), 'profile_not_allowed', 'what is not listed is refused, the usual one too');
  assert.throws(() => v.parse(launcherPolicy, { v: 1, profiles: ['none'] }));
});

test('specDigest depends on the value, not on the order or on written-out defaults', () => {
  assert.equal(
    specDigest(spec({ environment: { A: '1', B: '2' } })),
    specDigest(spec({ environment: { B: '2', A: '1' }, terminal: true })),
  );
  assert.notEqual(specDigest(spec({ command: ['a', 'b'] })), specDigest(spec({ command: ['a b'] })));
  assert.equal(canonicalJson({ b: [1, 'x'], a: { d: null, c: true }, e: undefined }), '{"a":{"c":true,"d":null},"b":[1,"x"]}');
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)))));
});

test('forbiddenSource never lets through a parent of something forbidden', () => {
  for (const source of FORBIDDEN.filter((path) => path !== '/home/ann/.aws/credentials')) {
    for (let parent = source; parent !== ''; parent = parent.slice(0, parent.lastIndexOf('/'))) {
      if (parent !== '/home/ann') assert.notEqual(forbiddenSource(parent, 'ro'), undefined, parent);
    }
  }
  for (const source of ['/srv', '/opt/x', '/home/ann/project', '/data', '/etcetera', '/var/libx', '/var/lib/postgres'])
    assert.equal(forbiddenSource(source, 'ro'), undefined, source);
});

test('readPolicy gives the default for a missing file and refuses everything that is not plainly root’s word', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-policy-'));
  const path = join(directory, 'launcher.json');
  const write = (value: unknown): void => writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value), { mode: 0o644 });
  try {
    assert.deepEqual(readPolicy(path), defaultPolicy());
    assert.deepEqual(defaultPolicy().binds, []);
    write({ v: 1, binds: [{ source: '/srv/models' }], limits: { scratchSize: 1_048_576 } });
    assert.deepEqual(readPolicy(path).binds, [{ source: '/srv/models', mode: 'ro' }]);
    for (const [bad, field] of [
      [{ v: 1, bind: [] }, /bind/],
      [{ v: 2 }, /"v"/],
      [{ v: 1, binds: [{ source: 'srv' }] }, /binds\.0\.source/],
      [{ v: 1, binds: [{ source: '/srv/../etc' }] }, /binds\.0\.source/],
      [{ v: 1, binds: [{ source: '/srv', mode: 'rx' }] }, /binds\.0\.mode/],
      [{ v: 1, binds: [{ source: '/etc' }] }, /no policy can allow/],
      [{ v: 1, binds: [{ source: '/usr/local', mode: 'rw' }] }, /never writable/],
      [{ v: 1, limits: { scratchsize: 1 } }, /scratchsize/],
      ['{', /JSON/],
      ['[]', /launcher\.json/],
    ] as const) {
      write(bad);
      assert.throws(() => readPolicy(path), { code: 'file_malformed', message: field }, JSON.stringify(bad));
    }
    write({ v: 1 });
    chmodSync(path, 0o664);
    assert.throws(() => readPolicy(path), { code: 'policy_unsafe' });
    chmodSync(path, 0o644);
    chownSync(path, 1_000, 0);
    assert.throws(() => readPolicy(path), { code: 'policy_unsafe' });
    rmSync(path);
    symlinkSync('/etc/hostname', path);
    assert.throws(() => readPolicy(path), { code: 'policy_unsafe' });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('judgeUid, judgeDevice and roots hold what the machine’s owner wrote', () => {
  const rules = v.parse(launcherPolicy, {
    v: 1,
    uids: { first: 200_000, last: 200_100 },
    devices: ['/dev/dri/renderD*'],
    roots: ['/srv/root'],
    binds: [{ source: '/nix/store' }],
  });
  for (const [uid, ok] of [
    [199_999, false],
    [200_000, true],
    [200_100, true],
    [200_101, false],
  ] as const) {
    assert.equal(judgeUid(uid, rules).ok, ok, String(uid));
  }
  assert.ok(judgeUid(1, defaultPolicy()).ok, 'without a rule the range of the instance counts');
  const device = (path: string): string => {
    const judgement = judgeDevice(path, 'x', { ...rules, devices: [...rules.devices, '/dev/*', '/dev/mapper/*'] });
    return judgement.ok ? 'ok' : judgement.rule;
  };
  assert.ok(judgeDevice('/dev/dri/renderD128', 'x', rules).ok);
  for (const path of ['/dev/dri/card0', '/dev/dri/x/renderD128', '/dev/kvm']) assert.equal(judgeDevice(path, 'x', rules).ok, false, path);
  for (const path of [
    '/dev/mem',
    '/dev/sda',
    '/dev/nvme0n1p1',
    '/dev/vda',
    '/dev/mapper/root',
    '/dev/tty1',
    '/dev/ptmx',
    '/dev/uinput',
    '/dev/fuse',
    '/etc/x',
  ])
    assert.equal(device(path), 'device_forbidden', path);
  const nix = (environment: string): string => ruleOf(spec({ root: { type: 'nix', environment } }), rules, {});
  assert.equal(nix(`/nix/store/${'a'.repeat(32)}-env`), 'ok');
  assert.equal(nix('/nix/store'), 'nix_environment');
  assert.equal(nix('/srv/env'), 'nix_environment');
  assert.equal(ruleOf(spec({ root: { type: 'directory', path: '/srv/root' } }), rules, {}), 'ok');
  assert.equal(ruleOf(spec({ root: { type: 'directory', path: '/srv/root/below' } }), rules, {}), 'root_not_listed');
  for (const bad of [
    { devices: ['/dev/sda'] },
    { devices: ['/etc/x'] },
    { roots: ['/etc'] },
    { uids: { first: 0, last: 5 } },
    { uids: { first: 9_000, last: 8_000 } },
  ])
    assert.equal(v.safeParse(launcherPolicy, { v: 1, ...bad }).success, false, JSON.stringify(bad));
});

test('matchesPattern stays in its segment, and no pattern of many stars takes long', () => {
  for (const [pattern, path, expected] of [
    ['/a/*.so', '/a/b.so', true],
    ['/a/*.so', '/a/b/c.so', false],
    ['/a/?', '/a/b', true],
    ['/a/?', '/a/bc', false],
    ['/a/*', '/a/.hidden', false],
    ['/a/.*', '/a/.hidden', true],
    ['/a/x*y*z', '/a/xyyzz', true],
    ['/a/[b]', '/a/b', false],
  ] as const) {
    assert.equal(matchesPattern(pattern, path), expected, `${pattern} ${path}`);
  }
  const started = performance.now();
  assert.equal(matchesPattern(`/a/${'*a'.repeat(100)}b`, `/a/${'a'.repeat(255)}`), false);
  assert.ok(performance.now() - started < 1_000);
});
