// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { judgeKernel } from './judge-kernel.ts';
import { readKernelFacts, type KernelFacts } from './kernel-facts.ts';

const GOOD: KernelFacts = {
  release: '6.12.4-amd64',
  bwrapVersion: '0.12.0',
  bwrapIsSetuid: false,
  usernsClone: undefined,
  usernsMost: '63000',
  apparmorRestricts: undefined,
  apparmorProfile: false,
  ptraceScope: '1',
  corePattern: 'core',
  seccompActions: 'kill_process kill_thread trap errno trace log allow',
  swaps: [],
  lockableBytes: 8 * 2 ** 20,
  tpm: true,
};

test('judgeKernel has nothing to say of a good host', () => {
  assert.deepEqual(
    judgeKernel(GOOD).filter(({ status }) => status !== 'pass'),
    [],
  );
});

for (const [what, facts, name, status, words] of [
  ['no bwrap', { bwrapVersion: undefined }, 'bubblewrap', 'fail', /apt-get install bubblewrap/],
  ['Debian 12’s bwrap', { bwrapVersion: '0.8.0' }, 'bubblewrap', 'warn', /CVE-2026-87766.*hold.*0\.12\.0/s],
  ['a bwrap just before the mended one', { bwrapVersion: '0.11.9' }, 'bubblewrap', 'warn', /CVE/],
  ['a setuid bwrap', { bwrapIsSetuid: true }, 'bubblewrap', 'warn', /chmod u-s/],
  ['Debian’s old switch', { usernsClone: '0' }, 'user namespaces', 'fail', /unprivileged_userns_clone=1/],
  ['no user namespaces at all', { usernsMost: '0' }, 'user namespaces', 'fail', /max_user_namespaces=10000/],
  ['few of them', { usernsMost: '64' }, 'user namespaces', 'warn', /used up/],
  ['Ubuntu’s restriction', { apparmorRestricts: '1' }, 'user namespaces', 'fail', /deploy\/apparmor\/bureau-bwrap/],
  ['an old kernel', { release: '5.10.0-28-amd64' }, 'kernel', 'warn', /cgroup\.kill/],
  ['no seccomp', { seccompActions: undefined }, 'seccomp', 'fail', /CONFIG_SECCOMP_FILTER/],
  ['ptrace for all', { ptraceScope: '0' }, 'ptrace scope', 'warn', /ptrace_scope=1/],
  ['cores piped to a program', { corePattern: '|/usr/share/apport/apport %p' }, 'core dumps', 'warn', /apport/],
  ['swap in the clear', { swaps: [{ name: '/dev/sda2', safe: false }] }, 'swap', 'warn', /\/dev\/sda2/],
  ['little memory that may be locked', { lockableBytes: 64 * 1024 }, 'locked memory', 'warn', /64 KiB.*LimitMEMLOCK/s],
  ['no TPM', { tpm: false }, 'TPM 2', 'warn', /disk/],
] as const) {
  test(`judgeKernel: ${what}`, () => {
    const found = judgeKernel({ ...GOOD, ...facts }).filter((each) => each.status !== 'pass');
    assert.deepEqual(
      found.map((each) => [each.name, each.status]),
      [[name, status]],
    );
    assert.match(`${found[0]?.message}\n${found[0]?.fix}`, words);
  });
}

test('judgeKernel: the profile is the cure of the restriction; encrypted swap is none to speak of', () => {
  const cured = judgeKernel({ ...GOOD, apparmorRestricts: '1', apparmorProfile: true, swaps: [{ name: '/dev/dm-1', safe: true }] });
  assert.ok(cured.every(({ status }) => status === 'pass'));
});

test('readKernelFacts reads this host', async () => {
  const facts = await readKernelFacts(new AbortController().signal);
  assert.match(facts.bwrapVersion ?? '', /^[0-9]+\.[0-9]+\.[0-9]+$/);
  assert.match(facts.seccompActions ?? '', /errno/);
  assert.ok(facts.lockableBytes >= 0);
  assert.equal(judgeKernel(facts).length, 9);
});

test('the AppArmor profile is one to apparmor_parser', () => {
  const path = fileURLToPath(new URL('../../../../deploy/apparmor/bureau-bwrap', import.meta.url));
  const text = readFileSync(path, 'utf8');
  // Debian 12 has a parser of AppArmor 3, which knows neither this ABI nor the rule; a host with the restriction has AppArmor 4.
  const [, major] = /version ([0-9]+)/.exec(spawnSync('/usr/sbin/apparmor_parser', ['--version'], { encoding: 'utf8' }).stdout) ?? [];
  const input = Number(major) >= 4 ? text : text.replace('abi <abi/4.0>,', '').replace('  userns,\n', '');
  const { status, stderr } = spawnSync('/usr/sbin/apparmor_parser', ['--skip-kernel-load', '--skip-cache', '--names'], {
    encoding: 'utf8',
    input,
  });
  assert.equal(status, 0, stderr);
  assert.match(text, /^abi <abi\/4\.0>,$/m);
  assert.match(text, /^ {2}userns,$/m);
});
