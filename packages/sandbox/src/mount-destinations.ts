// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import type { Mount } from '@bureau/protocol';
import { FIXED_DESTINATIONS } from './layout.ts';

/** True when `path` is `ancestor` or lies below it. Both absolute, without `.` and `..`. */
export function isWithin(path: string, ancestor: string): boolean {
  return path === ancestor || ancestor === '/' || path.startsWith(`${ancestor}/`);
}

/**
 * Refuses destinations that are, hold or lie below one that Bureau makes or another mount of the same spec. Below something that
 * the agent can write, bubblewrap 0.8.0 would follow a link that the agent planted in an earlier run (CVE-2026-87766); above
 * something of ours, the mount would hide it. So no destination nests with any other, and order never matters.
 * Throws `mount_refused` with the field's path in `data.field`.
 */
export function judgeDestinations(mounts: readonly Mount[]): void {
  mounts.forEach((mount, index) => {
    const field = `mounts[${index}].destination`;
    const { destination } = mount;
    if (!/^(\/[^/\0-\x1f\x7f]+)+$/.test(destination) || /\/\.{1,2}(\/|$)/.test(destination)) {
      refuse(field, destination, 'expected an absolute path without "." or ".." segments, empty segments and control characters');
    }
    for (const fixed of FIXED_DESTINATIONS) {
      if (isWithin(destination, fixed))
        refuse(field, destination, `${fixed} belongs to the sandbox itself; mount beside it, for example below /mnt or /opt`);
      if (isWithin(fixed, destination)) refuse(field, destination, `it would hide ${fixed}, which the sandbox needs; mount beside it`);
    }
    mounts.slice(0, index).forEach((other, at) => {
      if (isWithin(destination, other.destination) || isWithin(other.destination, destination)) {
        refuse(
          field,
          destination,
          `it overlaps with mounts[${at}].destination (${JSON.stringify(other.destination)}); destinations may not nest`,
        );
      }
    });
  });
}

function refuse(field: string, destination: string, reason: string): never {
  const shown = destination.length > 200 ? `${destination.slice(0, 200)}…` : destination;
  throw new BureauError('mount_refused', `Cannot mount at ${JSON.stringify(shown)} (${field}): ${reason}`, {
    data: { field, destination: shown },
  });
}
