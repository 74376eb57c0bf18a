// SPDX-License-Identifier: Apache-2.0
import { accessSync, constants, statSync } from 'node:fs';
import { BureauError } from '@bureau/core';

/** Throws `device_unreachable` when this process, which has the payload's uid and no groups, cannot open one of them for reading and writing. */
export function refuseUnreachableDevices(paths: readonly string[]): void {
  for (const path of paths) {
    try {
      accessSync(path, constants.R_OK | constants.W_OK);
    } catch (error) {
      const found = statSync(path, { throwIfNoEntry: false });
      const is = found === undefined ? 'is not there' : `has mode ${(found.mode & 0o777).toString(8)}, owner ${found.uid}:${found.gid}`;
      throw new BureauError(
        'device_unreachable',
        `Cannot give ${path} to the payload: it ${is}, and the payload's user is in no group. Let uid ${process.getuid?.() ?? '?'} open it (a udev rule with MODE="0666", or setfacl)`,
        { data: { path }, cause: error },
      );
    }
  }
}
