// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import type { AuthorizationList, ExitReport } from '@bureau/protocol';
import type { FakeBundle } from './fake-bundle.ts';

/** What a launcher writes down of a sandbox; `exit` once it has ended. */
export interface SandboxRecord {
  readonly principal: PrincipalName;
  readonly id: string;
  readonly startedAt: number;
  readonly exit?: ExitReport;
}

/** What outlives a launcher and the power. */
export class LauncherDisk {
  readonly numbers = new Map<PrincipalName, number>();
  readonly records = new Map<PrincipalName, SandboxRecord>();
  readonly bundles = new Map<PrincipalName, FakeBundle>();
  readonly authorizations = new Map<PrincipalName, AuthorizationList>();
}
