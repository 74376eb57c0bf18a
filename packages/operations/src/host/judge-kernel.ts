// SPDX-License-Identifier: Apache-2.0
import type { Check } from './checks.ts';
import type { KernelFacts } from './kernel-facts.ts';

/** The first bubblewrap in which CVE-2026-87766 is mended. */
const BWRAP_MENDED = '0.12.0';
/** The first kernel with `cgroup.kill`. */
const KERNEL_LEAST = '5.14';
/** A proxy with 256 secrets on a page each, and as much again for what is made of them. */
const LOCKABLE_LEAST = 2 * 2 ** 20;
/** Each sandbox takes two; below this a busy machine runs out. */
const USERNS_LEAST = 1_000;

/** What the facts mean for sandboxes: state, why it matters, what to do. Pure. */
export function judgeKernel(facts: KernelFacts): Check[] {
  return [bwrap(facts), userns(facts), kernel(facts), seccomp(facts), ptrace(facts), core(facts), swap(facts), lock(facts), tpm(facts)];
}

function bwrap({ bwrapVersion: version, bwrapIsSetuid }: KernelFacts): Check {
  const name = 'bubblewrap';
  if (version === undefined)
    return { name, status: 'fail', message: 'not installed: nothing can be sandboxed', fix: 'apt-get install bubblewrap' };
  if (bwrapIsSetuid) {
    const message = `${version}, setuid root: a fault in it would be root for every user of this host, and Bureau needs no such right`;
    return { name, status: 'warn', message, fix: 'chmod u-s /usr/bin/bwrap, and allow user namespaces' };
  }
  if (!isOlder(version, BWRAP_MENDED)) return { name, status: 'pass', message: version };
  return {
    name,
    status: 'warn',
    message: `${version} has CVE-2026-87766 (it follows a planted /oldroot link). Sandboxes of Bureau hold: bwrap never runs as root here, and no mount lies below what an agent can write`,
    fix: `upgrade to ${BWRAP_MENDED} or later when your distribution has it`,
  };
}

function userns({ usernsClone, usernsMost, apparmorRestricts, apparmorProfile }: KernelFacts): Check {
  const name = 'user namespaces';
  const fail = (message: string, fix: string): Check => ({ name, status: 'fail', message: `${message}: no sandbox can be made`, fix });
  if (usernsClone === '0')
    return fail('kernel.unprivileged_userns_clone is 0', 'sysctl -w kernel.unprivileged_userns_clone=1, and a line in /etc/sysctl.d');
  if (usernsMost === '0')
    return fail('user.max_user_namespaces is 0', 'sysctl -w user.max_user_namespaces=10000, and a line in /etc/sysctl.d');
  if (apparmorRestricts !== undefined && apparmorRestricts !== '0' && !apparmorProfile) {
    return fail(
      'AppArmor restricts them (kernel.apparmor_restrict_unprivileged_userns) and no profile lets bwrap have them',
      'cp deploy/apparmor/bureau-bwrap /etc/apparmor.d/ && apparmor_parser --replace /etc/apparmor.d/bureau-bwrap',
    );
  }
  if (usernsMost !== undefined && Number(usernsMost) < USERNS_LEAST) {
    const message = `user.max_user_namespaces is ${usernsMost}: each sandbox takes two, and starts fail when they are used up`;
    return { name, status: 'warn', message, fix: 'sysctl -w user.max_user_namespaces=10000' };
  }
  return { name, status: 'pass', message: apparmorProfile ? 'allowed for bwrap by an AppArmor profile' : 'allowed' };
}

function kernel({ release }: KernelFacts): Check {
  const name = 'kernel';
  if (!isOlder(release, KERNEL_LEAST)) return { name, status: 'pass', message: release };
  const message = `${release} has no cgroup.kill: a payload that forks without end is killed process by process`;
  return { name, status: 'warn', message, fix: `Linux ${KERNEL_LEAST} or later` };
}

function seccomp({ seccompActions: actions }: KernelFacts): Check {
  const name = 'seccomp';
  if (actions?.split(' ').includes('errno') === true) return { name, status: 'pass', message: 'system calls can be filtered' };
  return {
    name,
    status: 'fail',
    message: 'this kernel filters no system calls: the wall would lack a layer',
    fix: 'a kernel with CONFIG_SECCOMP_FILTER',
  };
}

function ptrace({ ptraceScope: scope }: KernelFacts): Check {
  const name = 'ptrace scope';
  if (scope !== undefined && scope !== '0') return { name, status: 'pass', message: `kernel.yama.ptrace_scope is ${scope}` };
  const found = scope === undefined ? 'this kernel has no Yama' : 'kernel.yama.ptrace_scope is 0';
  return {
    name,
    status: 'warn',
    message: `${found}: processes of one uid may trace each other. Launcher, proxies and relays are not dumpable and cannot be traced all the same`,
    fix: scope === undefined ? 'a kernel with CONFIG_SECURITY_YAMA' : 'sysctl -w kernel.yama.ptrace_scope=1, and a line in /etc/sysctl.d',
  };
}

function core({ corePattern: pattern }: KernelFacts): Check {
  const name = 'core dumps';
  const ours = 'launcher, proxies and relays leave none (not dumpable, limit 0)';
  if (!pattern.startsWith('|')) return { name, status: 'pass', message: ours };
  const message = `${ours}; those of payloads go to a program that runs as root on this host (${pattern.slice(0, 80)}), whatever their limit`;
  return { name, status: 'warn', message, fix: 'keep that program up to date, or set kernel.core_pattern to a plain name' };
}

function swap({ swaps }: KernelFacts): Check {
  const name = 'swap';
  const open = swaps.filter(({ safe }) => !safe).map(({ name: each }) => each);
  if (open.length === 0)
    return { name, status: 'pass', message: swaps.length === 0 ? 'none: no key is written to a disk by it' : 'encrypted, or in memory' };
  const message = `${open.join(', ')} may not be encrypted: keys in the memory of proxies can be written there and stay`;
  return { name, status: 'warn', message, fix: 'encrypt it (crypttab: swap,cipher=…), use zram, or swapoff' };
}

function lock({ lockableBytes: bytes }: KernelFacts): Check {
  const name = 'locked memory';
  const shown = bytes === Infinity ? 'without a limit' : `${Math.floor(bytes / 1024)} KiB a process`;
  if (bytes >= LOCKABLE_LEAST)
    return { name, status: 'pass', message: `${shown}: launcher and proxies keep the secrets that they hold out of swap` };
  const message = `${shown}: launcher and proxies cannot keep all the secrets that they hold out of swap`;
  return { name, status: 'warn', message, fix: 'raise it for who starts Bureau: LimitMEMLOCK=8M in systemd, memlock in limits.conf' };
}

function tpm({ tpm: there }: KernelFacts): Check {
  const name = 'TPM 2';
  if (there) return { name, status: 'pass', message: 'there; the machine’s key can be kept by it' };
  return {
    name,
    status: 'warn',
    message: 'none: whoever copies the disk has the machine’s key',
    fix: 'switch it on in the firmware, or keep the disk encrypted',
  };
}

/** Compares the numbers of two versions, as far as the second has them. */
function isOlder(version: string, than: string): boolean {
  const numbers = version.split(/[.-]/).map(Number);
  for (const [at, wanted] of than.split('.').map(Number).entries()) {
    const found = numbers[at] ?? 0;
    if (found !== wanted) return found < wanted;
  }
  return false;
}
