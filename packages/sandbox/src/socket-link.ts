// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, rmSync, rmdirSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { hasCode, type PrincipalName } from '@bureau/core';
import type { InstancePaths } from '@bureau/instance';

/**
 * Makes `/run/bureau/<p>.sock`, for people: the agent's own way is the directory that is bound into its sandbox. The directories above
 * it can be passed through, not listed: nobody learns of others' agents.
 */
export function placeSocketLink(paths: InstancePaths, principal: PrincipalName, target: string): void {
  const link = paths.socketLink(principal);
  mkdirSync(dirname(link), { recursive: true, mode: 0o711 });
  rmSync(link, { force: true });
  symlinkSync(target, link);
}

/** Takes the link away, and the directories above it that hold nothing else. */
export function removeSocketLink(paths: InstancePaths, principal: PrincipalName): void {
  const link = paths.socketLink(principal);
  rmSync(link, { force: true });
  for (let directory = dirname(link); directory.startsWith(`${paths.runDir}/`); directory = dirname(directory)) {
    try {
      rmdirSync(directory);
    } catch (error) {
      if (hasCode(error, 'ENOTEMPTY')) return;
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  }
}
