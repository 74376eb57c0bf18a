// SPDX-License-Identifier: Apache-2.0
// The filter in the real wall: each forbidden call, and the same call without the filter as its positive control.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { seccompArchitecture } from './seccomp.ts';
import { syscallTable } from './syscall-numbers.ts';
import { rawCalls, TYPE_INTO_TERMINAL, without } from './testing/wall-attacks.ts';
import { WallFixture } from './testing/wall-fixture.ts';

const { numbers } = syscallTable(seccompArchitecture(process.arch));
function call(name: string, ...args: (number | bigint | string)[]): (number | bigint | string)[] {
  return [numbers.get(name) ?? assert.fail(`no number for ${name}`), ...args];
}

const NO_FILTER = { seccomp: null };

/** Arguments with which the kernel itself answers something else than the filter does, for an unprivileged caller. */
const FORBIDDEN: Readonly<Record<string, { words: (number | bigint | string)[]; otherwise: readonly string[] }>> = {
  mount: { words: call('mount', 1, 1, 1, 0, 0), otherwise: ['EFAULT'] },
  umount: { words: call('umount2', 1, 0), otherwise: ['EFAULT'] },
  chroot: { words: call('chroot', 1), otherwise: ['EFAULT'] },
  open_tree: { words: call('open_tree', -100, "text('/')", 0), otherwise: ['ok'] },
  mount_setattr: { words: call('mount_setattr', -1, 1, 0, 0, 0), otherwise: ['EINVAL'] },
  setns: { words: call('setns', -1, 0), otherwise: ['EBADF'] },
  'unshare user': { words: call('unshare', 0x10000000), otherwise: ['ENOSPC'] },
  'clone user': { words: call('clone', 0x10000011, 0, 0, 0, 0), otherwise: ['ENOSPC'] },
  ptrace: { words: call('ptrace', 0, 0, 0, 0), otherwise: ['ok'] },
  process_vm_readv: { words: call('process_vm_readv', 'os.getpid()', 0, 0, 0, 0, 0), otherwise: ['ok'] },
  process_vm_writev: { words: call('process_vm_writev', 'os.getpid()', 0, 0, 0, 0, 0), otherwise: ['ok'] },
  pidfd_getfd: { words: call('pidfd_getfd', -1, 0, 0), otherwise: ['EBADF'] },
  kcmp: { words: call('kcmp', 'os.getpid()', 'os.getpid()', 2, 0, 0), otherwise: ['ok', 'ENOSYS'] },
  bpf: { words: call('bpf', -1, 0, 0), otherwise: ['EINVAL', 'ENOSYS'] },
  perf_event_open: { words: call('perf_event_open', 1, 0, 0, 0, 0), otherwise: ['EFAULT', 'ENOSYS'] },
  userfaultfd: { words: call('userfaultfd', 1), otherwise: ['ok', 'ENOSYS'] },
  io_uring_setup: { words: call('io_uring_setup', 0, 0), otherwise: ['EFAULT', 'EINVAL', 'ENOSYS'] },
  keyctl: { words: call('keyctl', 0, -3, 0), otherwise: ['ok', 'ENOKEY'] },
  add_key: { words: call('add_key', 1, 1, 1, 1, -3), otherwise: ['EFAULT'] },
  request_key: { words: call('request_key', 1, 1, 1, 0), otherwise: ['EFAULT'] },
  open_by_handle_at: { words: call('open_by_handle_at', -1, 1, 0), otherwise: ['EFAULT'] },
  name_to_handle_at: {
    words: call('name_to_handle_at', -100, "text('/workspace')", 'pointer', 'pointer + 2048', 0),
    otherwise: ['EOVERFLOW'],
  },
  settimeofday: { words: call('settimeofday', 1, 0), otherwise: ['EFAULT'] },
  clock_settime: { words: call('clock_settime', 0, 1), otherwise: ['EFAULT'] },
  adjtimex: { words: call('adjtimex', 'pointer'), otherwise: ['ok'] },
  personality: { words: call('personality', 0x40000), otherwise: ['ok'] },
};

/** What the kernel refuses to this uid by itself too: tested, but without a control of their own. */
const REFUSED_TWICE: Readonly<Record<string, (number | bigint | string)[]>> = {
  pivot_root: call('pivot_root', 1, 1),
  fsopen: call('fsopen', 1, 0),
  move_mount: call('move_mount', -1, 1, -1, 1, 0),
  'unshare net': call('unshare', 0x40000000),
  init_module: call('init_module', 1, 0, 1),
  kexec_load: call('kexec_load', 0, 0, 0, 0),
  reboot: call('reboot', 0, 0, 0, 0),
  syslog: call('syslog', 10, 0, 0),
  swapon: call('swapon', 1, 0),
};

test('forbidden system calls fail, and get into the kernel when the filter is away', async () => {
  using wall = new WallFixture();
  const calls = Object.fromEntries(Object.entries(FORBIDDEN).map(([name, { words }]) => [name, words]));
  const filtered = await wall.ask(rawCalls({ ...calls, ...REFUSED_TWICE, clone3: call('clone3', 0, 0) }));
  const unfiltered = await wall.ask(rawCalls({ ...calls, clone3: call('clone3', 0, 0) }), NO_FILTER);
  assert.equal(filtered['clone3'], 'ENOSYS');
  assert.equal(unfiltered['clone3'], 'EINVAL', 'control: clone3');
  for (const name of [...Object.keys(FORBIDDEN), ...Object.keys(REFUSED_TWICE)]) assert.equal(filtered[name], 'EPERM', name);
  for (const [name, { otherwise }] of Object.entries(FORBIDDEN))
    assert.ok(otherwise.includes(unfiltered[name] ?? ''), `control: ${name} answers ${unfiltered[name]}`);
});

test('user namespaces are off twice: by the filter and by --disable-userns', async () => {
  using wall = new WallFixture();
  const attack = rawCalls({ unshare: call('unshare', 0x10000000) });
  assert.equal((await wall.ask(attack))['unshare'], 'EPERM');
  assert.equal((await wall.ask(attack, { options: without('--disable-userns') }))['unshare'], 'EPERM', 'the filter alone');
  assert.equal((await wall.ask(attack, NO_FILTER))['unshare'], 'ENOSPC', '--disable-userns alone');
  assert.equal((await wall.ask(attack, { ...NO_FILTER, options: without('--disable-userns') }))['unshare'], 'ok', 'control: with neither');
});

test('nothing can be typed into a terminal, whatever the high bits of the request', async () => {
  using wall = new WallFixture();
  for (const [request, answer] of Object.entries(await wall.ask(TYPE_INTO_TERMINAL))) assert.equal(answer, 'EPERM', request);
  for (const [request, answer] of Object.entries(await wall.ask(TYPE_INTO_TERMINAL, NO_FILTER)))
    assert.equal(answer, 'ok', `control: ${request}`);
});

test('sockets are Unix, internet and route only, whatever the high bits', async () => {
  using wall = new WallFixture();
  const high = 0x7n << 32n;
  const refused = {
    packet: call('socket', 17, 3, 0),
    'packet, high bits': call('socket', high | 17n, 3, 0),
    vsock: call('socket', 40, 1, 0),
    alg: call('socket', 38, 5, 0),
    bluetooth: call('socket', 31, 3, 0),
    tipc: call('socket', 30, 5, 0),
    xdp: call('socket', 44, 3, 0),
    'generic netlink': call('socket', 16, 3, 16),
    'generic netlink, high bits': call('socket', high | 16n, 3, high | 16n),
    'audit netlink': call('socket', 16, 3, 9),
  };
  const fine = {
    unix: call('socket', 1, 1, 0),
    inet: call('socket', 2, 1, 0),
    inet6: call('socket', 10, 2, 0),
    route: call('socket', 16, 3, 0),
  };
  const filtered = await wall.ask(rawCalls({ ...refused, ...fine, sctp: call('socket', 2, 1, 132) }));
  for (const name of Object.keys(refused)) assert.equal(filtered[name], 'EAFNOSUPPORT', name);
  for (const name of Object.keys(fine)) assert.equal(filtered[name], 'ok', name);
  assert.equal(filtered['sctp'], 'EPROTONOSUPPORT');
  const unfiltered = await wall.ask(rawCalls(refused), NO_FILTER);
  for (const name of ['packet', 'packet, high bits', 'xdp'])
    assert.equal(unfiltered[name], 'EPERM', `control: ${name} reaches the capability check`);
  for (const name of ['vsock', 'generic netlink', 'generic netlink, high bits', 'audit netlink'])
    assert.equal(unfiltered[name], 'ok', `control: ${name}`);
});

// int 0x80 exists on x86 only.
if (process.arch === 'x64') {
  test('32-bit system calls end the process', async () => {
    using wall = new WallFixture();
    const source = 'int main(void) { int r; __asm__ volatile ("int $0x80" : "=a"(r) : "a"(20)); return r > 0 ? 42 : 1; }';
    execFileSync('gcc', ['-x', 'c', '-o', join(wall.workspace, 'compat'), '-'], { input: source });
    assert.equal((await wall.run(['/workspace/compat'])).code, 128 + 31);
    const control = (await wall.run(['/workspace/compat'], NO_FILTER)).code;
    assert.ok(control === 42 || control === 128 + 11, `control: getpid by int 0x80 works, or the kernel was built without it (${control})`);
  });
}
