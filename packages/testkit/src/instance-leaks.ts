// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { parseInstanceName } from '@bureau/core';
import { instancePaths, readSettings } from '@bureau/instance';
import { LeakCheck } from './leak-check.ts';

/** The leak check of an instance that something else brings up; `undefined` until that has settings, where its range of uids is written. */
export function instanceLeaks(name: string): LeakCheck | undefined {
  const paths = instancePaths(parseInstanceName(name));
  return existsSync(paths.settingsFile) ? new LeakCheck(paths, readSettings(paths).uidBase) : undefined;
}
