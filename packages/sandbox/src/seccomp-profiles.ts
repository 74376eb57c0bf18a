// SPDX-License-Identifier: Apache-2.0
import type { SandboxProfile } from '@bureau/protocol';
import type { Action } from './bpf-program.ts';
import { ALLOWED_CALLS, RARELY_NEEDED_CALLS } from './seccomp-allowed.ts';
import { ARGUMENT_RULES } from './seccomp-arguments.ts';
import { assembleSeccomp, type SeccompProfile } from './seccomp.ts';
import type { Architecture } from './syscall-numbers.ts';

const ALLOW: Action = { type: 'allow' };
/** EPERM. */
const REFUSE: Action = { type: 'errno', errno: 1 };
/** ENOSYS. */
const ABSENT: Action = { type: 'errno', errno: 38 };

/** Calls that are answered as if the kernel were older, so that callers take their other way. */
const ABSENT_CALLS: readonly string[] = [
  // Its flags lie in memory, where no filter can read them; libc falls back to clone.
  'clone3',
  // Too new for anybody to need them: what they tell (other mounts, security modules) or change is asked for in older ways as well.
  ...['statmount', 'listmount', 'lsm_get_self_attr', 'lsm_set_self_attr', 'lsm_list_modules', 'file_getattr', 'file_setattr'],
];

function profile(name: SandboxProfile, allowed: readonly string[], absent: readonly string[]): SeccompProfile {
  return {
    name,
    fallback: REFUSE,
    unknown: ABSENT,
    calls: [{ calls: allowed, otherwise: ALLOW }, { calls: absent, otherwise: ABSENT }, ...ARGUMENT_RULES[name]],
  };
}

/**
 * What a payload may ask of the kernel. Nothing that is not listed: known calls answer EPERM, calls newer than our table and x32 ones
 * ENOSYS, those of another architecture kill.
 *
 * `default` runs what a container of the usual runtimes runs. `strict` leaves out old interfaces, netlink and files with set-id bits.
 * `debug` adds tracing of own children.
 */
export const SECCOMP_PROFILES: Readonly<Record<SandboxProfile, SeccompProfile>> = {
  strict: profile('strict', ALLOWED_CALLS, [...ABSENT_CALLS, 'openat2']),
  default: profile('default', [...ALLOWED_CALLS, ...RARELY_NEEDED_CALLS], ABSENT_CALLS),
  debug: profile('debug', [...ALLOWED_CALLS, ...RARELY_NEEDED_CALLS], ABSENT_CALLS),
};

/** The program of each profile, as bwrap's `--seccomp` reads it. Throws `seccomp_profile_invalid` if this code names a call wrongly. */
export function seccompPrograms(architecture: Architecture): Readonly<Record<SandboxProfile, Uint8Array>> {
  return {
    strict: assembleSeccomp(SECCOMP_PROFILES.strict, architecture),
    default: assembleSeccomp(SECCOMP_PROFILES.default, architecture),
    debug: assembleSeccomp(SECCOMP_PROFILES.debug, architecture),
  };
}
