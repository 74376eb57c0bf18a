// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import type { InstancePaths, InstanceUids, PrincipalNumbers } from '@bureau/instance';
import type { Logger } from '@bureau/log';
import type { CgroupTree } from '@bureau/process';
import type { InputOf, launcherContract, SandboxProfile } from '@bureau/protocol';
import type { FaultPoints } from './faults.ts';
import type { HostFacts } from './host-facts.ts';
import type { LauncherCredentials } from './launcher-credentials.ts';
import type { RootCopies } from './root-copies.ts';
import type { SpecVariables } from './spec-variables.ts';

/** What `launcherContract.create` takes. */
export type CreateInput = InputOf<typeof launcherContract, 'create'>;

/** What every wall of this launcher has in common. */
export interface WallFacts {
  /** The program of each profile. */
  readonly seccomp: Readonly<Record<SandboxProfile, Uint8Array>>;
  readonly host: HostFacts;
  readonly policyFile: string;
  /** The copy of the `/etc` below this root (empty: the host's) that sandboxes see parts of. */
  readonly hostEtcOf: (root: string) => string;
  readonly roots: RootCopies;
  readonly variables: SpecVariables;
}

/** What the launcher stands on; all of it is root's. */
export interface LauncherDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly build: string;
  readonly buildDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly paths: InstancePaths;
  readonly uids: InstanceUids;
  readonly tree: CgroupTree;
  readonly numbers: PrincipalNumbers;
  readonly credentials: LauncherCredentials;
  readonly wall: WallFacts;
  /** Relays that wait at rest. */
  readonly warmRelays: number;
  /** `noFaults` but in tests. */
  readonly faults: FaultPoints;
}
