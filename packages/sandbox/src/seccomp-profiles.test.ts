// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SECCOMP_PROFILES } from './seccomp-profiles.ts';
import { syscallTable } from './syscall-numbers.ts';
import { countInstructions } from './testing/bpf-interpreter.ts';
import { always, ARCHITECTURES, ask, AUDIT, PROFILES, PROGRAMS } from './testing/seccomp-asking.ts';

const TRACING = ['ptrace', 'process_vm_readv', 'process_vm_writev'];

/** Every known call that `default` refuses whatever its arguments. A new row of the number table lands here until somebody has judged it. */
const REFUSED = `
  mount umount2 pivot_root chroot fsopen fsmount fsconfig fspick move_mount open_tree open_tree_attr mount_setattr setns
  ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd kcmp
  bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register memfd_secret fanotify_init fanotify_mark lookup_dcookie
  keyctl add_key request_key
  kexec_load kexec_file_load init_module finit_module delete_module create_module query_module get_kernel_syms
  open_by_handle_at name_to_handle_at
  quotactl quotactl_fd acct swapon swapoff reboot syslog settimeofday clock_settime clock_adjtime adjtimex
  sethostname setdomainname iopl ioperm vhangup nfsservctl modify_ldt
  migrate_pages move_pages mbind set_mempolicy set_mempolicy_home_node
  _sysctl uselib ustat sysfs afs_syscall vserver security tuxcall getpmsg putpmsg
  epoll_ctl_old epoll_wait_old get_thread_area set_thread_area
`
  .trim()
  .split(/\s+/);

const ABSENT = 'clone3 statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules file_getattr file_setattr'.split(' ');

test('the default profile refuses exactly the calls that are known to be refused', () => {
  const refused = new Set<string>();
  const absent = new Set<string>();
  for (const architecture of ARCHITECTURES) {
    for (const name of syscallTable(architecture).numbers.keys()) {
      if (SECCOMP_PROFILES.default.calls.some(({ calls, rules }) => rules !== undefined && calls.includes(name))) continue;
      const verdict = ask('default', architecture, name);
      if (verdict === 'errno 1') refused.add(name);
      else if (verdict === 'errno 38') absent.add(name);
      else assert.equal(verdict, 'allow', name);
    }
  }
  assert.deepEqual([...refused].toSorted(), REFUSED.toSorted());
  assert.deepEqual([...absent].toSorted(), ABSENT.toSorted());
});

test('each profile refuses each forbidden call whatever its arguments', () => {
  for (const profile of PROFILES) {
    for (const name of REFUSED) if (profile !== 'debug' || !TRACING.includes(name)) always(profile, name, [], 'errno 1');
    for (const name of ABSENT) always(profile, name, [], 'errno 38');
  }
});

test('strict is a part of default, and default of debug', () => {
  for (const architecture of ARCHITECTURES) {
    for (const name of syscallTable(architecture).numbers.keys()) {
      for (const [narrow, wide] of [
        ['strict', 'default'],
        ['default', 'debug'],
      ] as const) {
        if (ask(narrow, architecture, name) === 'allow') assert.equal(ask(wide, architecture, name), 'allow', `${narrow} ${wide} ${name}`);
      }
    }
  }
});

test('every namespace flag of clone and unshare is refused, alone and among others', () => {
  for (const profile of PROFILES) {
    for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]) {
      always(profile, 'clone', [flag], 'errno 1');
      always(profile, 'clone', [flag | 0x11], 'errno 1');
      always(profile, 'unshare', [flag | 0x400], 'errno 1');
    }
    always(profile, 'clone', [0xffffffff], 'errno 1');
    always(profile, 'unshare', [0x80], 'errno 1');
    always(profile, 'clone', [0x3d0f00], 'allow'); // a thread of glibc
    always(profile, 'clone', [0x1200011], 'allow'); // fork
    always(profile, 'clone', [0x4111], 'allow'); // Go's os/exec: CLONE_VFORK | CLONE_VM
    always(profile, 'unshare', [0x400], 'allow'); // CLONE_FILES
  }
});

test('typing into terminals is refused with any high bits', () => {
  for (const profile of PROFILES) {
    for (const request of [0x5412, 0x541c, 0x541d, 0x5423]) always(profile, 'ioctl', [undefined, request], 'errno 1');
    for (const request of [0x5401, 0x5413, 0x5414, 0x540e, 0x5411, 0x5421]) always(profile, 'ioctl', [undefined, request], 'allow');
  }
});

test('sockets are Unix, internet and route only; strict has no netlink and no raw ones', () => {
  for (const profile of PROFILES) {
    const strict = profile === 'strict';
    for (let family = 0; family < 64; family += 1) if (![1, 2, 10, 16].includes(family)) always(profile, 'socket', [family], 'errno 97');
    always(profile, 'socket', [0xffffffff], 'errno 97');
    always(profile, 'socket', [1], 'allow');
    always(profile, 'socket', [16, undefined, 0], strict ? 'errno 97' : 'allow');
    for (let protocol = 1; protocol < 32; protocol += 1) always(profile, 'socket', [16, undefined, protocol], 'errno 97');
    for (const family of [2, 10]) {
      for (const type of [1, 2, 0x80001, 0x802])
        for (const protocol of [0, 1, 6, 17, 58]) always(profile, 'socket', [family, type, protocol], 'allow');
      always(profile, 'socket', [family, 3, 1], strict ? 'errno 22' : 'allow');
      for (const type of [0, 4, 5, 6, 10, 0x80005]) always(profile, 'socket', [family, type], 'errno 22');
      for (const protocol of [33, 132, 136, 256, 262, 0xffffffff]) always(profile, 'socket', [family, 1, protocol], 'errno 93');
    }
    always(profile, 'socketpair', [1], 'allow');
    for (const family of [0, 2, 10, 16, 30, 40]) always(profile, 'socketpair', [family], 'errno 97');
  }
});

test('only the plain personality is allowed, and without address randomisation under debug', () => {
  for (const profile of PROFILES) {
    always(profile, 'personality', [0], 'allow');
    always(profile, 'personality', [0xffffffff], 'allow');
    always(profile, 'personality', [0x40000], profile === 'debug' ? 'allow' : 'errno 1');
    for (const persona of [8, 0x20000, 0x400000, 0x440000, 0xfffffffe]) always(profile, 'personality', [persona], 'errno 1');
  }
});

test('device nodes are refused, pipes, files and whiteouts are not', () => {
  for (const profile of PROFILES) {
    for (const type of [0x2000, 0x6000]) {
      always(profile, 'mknod', [undefined, type | 0o600, 0x501], 'errno 1');
      always(profile, 'mknodat', [undefined, undefined, type | 0o600, 0x501], 'errno 1');
      always(profile, 'mknodat', [undefined, undefined, type | 0o600, 0], 'allow');
    }
    for (const type of [0x1000, 0x8000, 0xc000, 0]) always(profile, 'mknodat', [undefined, undefined, type | 0o600, undefined], 'allow');
  }
});

test('strict refuses set-id bits in whatever way a file gets its mode', () => {
  const O_CREAT = 0o100;
  const O_TMPFILE = 0o20200000;
  for (const profile of PROFILES) {
    const refused = profile === 'strict' ? 'errno 1' : 'allow';
    for (const bits of [0o4755, 0o2755, 0o6000]) {
      for (const name of ['chmod', 'fchmod', 'creat']) always(profile, name, [undefined, bits], refused);
      for (const name of ['fchmodat', 'fchmodat2']) always(profile, name, [undefined, undefined, bits], refused);
      for (const flags of [O_CREAT, O_CREAT | 2, O_TMPFILE | 2]) {
        always(profile, 'open', [undefined, flags, bits], refused);
        always(profile, 'openat', [undefined, undefined, flags, bits], refused);
      }
      always(profile, 'openat', [undefined, undefined, 0o2000000, bits], 'allow');
      always(profile, 'mknod', [undefined, 0x8000 | bits, undefined], refused);
      always(profile, 'mknodat', [undefined, undefined, 0x8000 | bits, undefined], refused);
    }
    always(profile, 'chmod', [undefined, 0o1777], 'allow');
    always(profile, 'openat', [undefined, undefined, O_CREAT, 0o666], 'allow');
    always(profile, 'openat2', [], profile === 'strict' ? 'errno 38' : 'allow');
  }
});

test('debug traces own children only: no attaching to processes that did not ask for it', () => {
  for (const request of [16, 0x4206]) always('debug', 'ptrace', [request], 'errno 1');
  for (const request of [0, 1, 7, 12, 24, 0x4200, 0x4207]) always('debug', 'ptrace', [request], 'allow');
  for (const name of ['process_vm_readv', 'process_vm_writev']) always('debug', name, [], 'allow');
});

test('a decision takes few instructions', () => {
  const everyday = 'read write openat close fstat mmap futex epoll_pwait recvmsg sendmsg clock_nanosleep execve'.split(' ');
  for (const profile of PROFILES) {
    for (const architecture of ARCHITECTURES) {
      for (const name of everyday) {
        const number = syscallTable(architecture).numbers.get(name) ?? assert.fail(name);
        const args = Array.from({ length: 6 }, () => 0n);
        const count = countInstructions(PROGRAMS[architecture][profile], { number, architecture: AUDIT[architecture], arguments: args });
        assert.ok(count <= 24, `${profile} ${architecture} ${name}: ${count} instructions`);
      }
    }
  }
});
