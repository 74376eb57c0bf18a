// SPDX-License-Identifier: Apache-2.0
// What this package writes as numbers because Node does not name it: the C library's headers for both processors must name the same.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const COMPILERS = { x64: '/usr/bin/gcc', arm64: '/usr/bin/aarch64-linux-gnu-gcc' } as const;
const HEADERS = [
  'stddef.h',
  'fcntl.h',
  'poll.h',
  'sched.h',
  'signal.h',
  'sys/file.h',
  'sys/ioctl.h',
  'sys/prctl.h',
  'sys/resource.h',
  'sys/socket.h',
  'sys/syscall.h',
  'sys/un.h',
  'sys/wait.h',
  'linux/capability.h',
  'linux/close_range.h',
  'linux/openat2.h',
];
/** Sizes and places that the package counts on, in its own words where it has some. */
const LAYOUTS = [
  'sizeof(struct msghdr) == 56 && offsetof(struct msghdr, msg_iov) == 16 && offsetof(struct msghdr, msg_iovlen) == 24',
  'offsetof(struct msghdr, msg_control) == 32 && offsetof(struct msghdr, msg_controllen) == 40 && offsetof(struct msghdr, msg_flags) == 48',
  'sizeof(struct iovec) == 16 && sizeof(struct cmsghdr) == 16 && offsetof(struct cmsghdr, cmsg_level) == 8',
  'offsetof(struct cmsghdr, cmsg_type) == 12 && CMSG_ALIGN(1) == 8',
  'sizeof(struct pollfd) == 8 && offsetof(struct pollfd, events) == 4',
  'sizeof(struct ucred) == 12 && offsetof(struct ucred, uid) == 4 && offsetof(struct ucred, gid) == 8',
  'sizeof(struct rlimit64) == 16 && offsetof(struct rlimit64, rlim_max) == 8',
  'offsetof(struct sockaddr_un, sun_path) == 2 && sizeof(((struct sockaddr_un *)0)->sun_path) == 108',
  'sizeof(struct winsize) == 8 && offsetof(struct winsize, ws_row) == 0 && offsetof(struct winsize, ws_col) == 2',
  'sizeof(struct open_how) == 24 && offsetof(struct open_how, mode) == 8 && offsetof(struct open_how, resolve) == 16',
  'sizeof(struct __user_cap_header_struct) == 8 && sizeof(struct __user_cap_data_struct) == 12',
  'offsetof(struct __user_cap_data_struct, inheritable) == 8 && _LINUX_CAPABILITY_VERSION_3 == 0x20080522',
];

/** `[NAME, what it is on each]` of all `const NAME = NUMBER` and `const SYS_NAME = { x64: …, arm64: … }` of this package. */
function constants(): [name: string, values: Record<keyof typeof COMPILERS, string>][] {
  const sources = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.ts') && !name.includes('.test.'));
  return sources.flatMap((source) => {
    const text = readFileSync(join(import.meta.dirname, source), 'utf8');
    const same = [...text.matchAll(/^const ([A-Z][A-Z0-9_]+) = (-?(?:0o|0x)?[0-9a-f_]+);$/gm)];
    const own = [...text.matchAll(/^const (SYS_[A-Z0-9]+)\b.* = \{ x64: ([0-9]+), arm64: ([0-9]+) \};$/gm)];
    return [
      ...same.map(([, name = '', value = '']): [string, { x64: string; arm64: string }] => [name, { x64: value, arm64: value }]),
      ...own.map(([, name = '', x64 = '', arm64 = '']): [string, { x64: string; arm64: string }] => [name, { x64, arm64 }]),
    ];
  });
}

/** As C writes it; the name of a system call is in small letters there. */
function inC(name: string, value: string): string {
  const macro = name.startsWith('SYS_') ? `SYS_${name.slice(4).toLowerCase()}` : name;
  const number = value.replaceAll('_', '').replace('0o', '0');
  return `#ifdef ${macro}\n_Static_assert((${macro}) == (${number}), "${macro}");\nchecked ${macro}\n#endif`;
}

for (const processor of ['x64', 'arm64'] as const) {
  test(`${processor}: each number of this package that has a name in C is what C calls so, and structures lie as it says`, () => {
    const includes = HEADERS.map((header) => `#include <${header}>`).join('\n');
    const asserts = constants().map(([name, values]) => inC(name, values[processor]));
    const run = (flags: readonly string[], input: string): { status: number | null; stdout: string; stderr: string } =>
      spawnSync(COMPILERS[processor], ['-D_GNU_SOURCE', ...flags, '-xc', '-'], { input, encoding: 'utf8', timeout: 60_000 });
    const expanded = run(['-E', '-P'], [includes, ...asserts].join('\n'));
    assert.equal(expanded.status, 0, expanded.stderr);
    const checked = [...expanded.stdout.matchAll(/^checked /gm)].length;
    assert.ok(checked >= 35, `only ${checked} numbers have a name that is C's`);
    const layouts = LAYOUTS.map((layout) => `_Static_assert(${layout}, "layout");`);
    const source = [includes, ...asserts.map((text) => text.replace(/^checked .*$/m, '')), ...layouts].join('\n');
    const compiled = run(['-Wall', '-Wextra', '-Werror', '-fsyntax-only'], source);
    assert.equal(compiled.status, 0, compiled.stderr);
  });
}
