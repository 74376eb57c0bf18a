// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import { pathFault, type Mount } from '@bureau/protocol';
import { FIXED_DESTINATIONS } from './layout.ts';

/** True when `path` is `ancestor` or lies below it. Both absolute, without `.` and `..`. */
export function isWithin(path: string, ancestor: string): boolean {
  return path === ancestor || ancestor === '/' || path.startsWith(`${ancestor}/`);
}

/** A place in the sandbox that a spec asks for, and the field that says so. */
export interface AskedPlace {
  readonly field: string;
  readonly path: string;
}

/** The destinations of a spec's mounts; a device has none of its own, it stays where it is in `/dev`. */
function mountPlaces(mounts: readonly Mount[]): AskedPlace[] {
  return mounts.flatMap((mount, index) =>
    mount.type === 'device' ? [] : [{ field: `mounts[${index}].destination`, path: mount.destination }],
  );
}

/**
 * Refuses places that are, hold or lie below one that Bureau makes or another one of the same spec. Below something that the agent can
 * write, bubblewrap 0.8.0 would follow a link that the agent planted in an earlier run (CVE-2026-87766); above something of ours, the
 * mount would hide it. So no place nests with any other, and order never matters.
 * Throws `mount_refused` with the field's path in `data.field`.
 */
export function judgeDestinations(mounts: readonly Mount[], more: readonly AskedPlace[] = []): void {
  const places = [...mountPlaces(mounts), ...more];
  places.forEach(({ field, path }, index) => {
    const fault = path.startsWith('/') ? pathFault(path) : 'expected an absolute path';
    if (fault !== undefined) refuse(field, path, fault);
    for (const fixed of FIXED_DESTINATIONS) {
      if (isWithin(path, fixed))
        refuse(field, path, `${fixed} belongs to the sandbox itself; mount beside it, for example below /mnt or /opt`);
      if (isWithin(fixed, path)) refuse(field, path, `it would hide ${fixed}, which the sandbox needs; mount beside it`);
    }
    for (const other of places.slice(0, index)) {
      if (isWithin(path, other.path) || isWithin(other.path, path))
        refuse(field, path, `it overlaps with ${other.field} (${JSON.stringify(other.path)}); destinations may not nest`);
    }
  });
}

function refuse(field: string, destination: string, reason: string): never {
  const shown = destination.length > 200 ? `${destination.slice(0, 200)}…` : destination;
  throw new BureauError('mount_refused', `Cannot mount at ${JSON.stringify(shown)} (${field}): ${reason}`, {
    data: { field, destination: shown },
  });
}
