// SPDX-License-Identifier: Apache-2.0
import type { CommandLine } from './drop-privileges.ts';

const SETPRIV = '/usr/bin/setpriv';

/**
 * Runs `command` as root with nothing but the power to become somebody else once (`becomeUser`): SETUID and SETGID, an empty bounding
 * set, no set-uid programs. The two are inherited, since a bounding set would stay after the drop; an empty one can only be made by a
 * second setpriv, because the kernel lets nobody inherit what is out of bounds already. Root only.
 */
export function identityPowers(command: string, args: readonly string[]): CommandLine {
  const inherit = ['--inh-caps=-all,+setuid,+setgid', '--'];
  const bound = [SETPRIV, '--no-new-privs', '--bounding-set=-all', '--'];
  return { command: SETPRIV, args: [...inherit, ...bound, command, ...args] };
}
