// SPDX-License-Identifier: Apache-2.0
import type { MountSource, OverlayPlan } from '@bureau/protocol';
import type { SandboxPlan } from './bwrap-arguments.ts';
import type { OpenMountSources } from './mount-source.ts';

/** The part of a start that is about mounts. */
export interface RelayMounts {
  readonly mountSources: MountSource[];
  readonly overlays: OverlayPlan[];
  readonly devices: string[];
}

/** What is opened, checked and put together before bubblewrap by the payload's user. */
export function relayMounts({ mounts }: SandboxPlan, { sources }: OpenMountSources): RelayMounts {
  const named = sources.map(({ path, identity }) => ({ path, identity }));
  return {
    mountSources: named,
    overlays: mounts.flatMap((mount) =>
      mount.type === 'overlay' ? [{ lower: named[mount.lower]!, upper: mount.upper, stage: mount.stage }] : [],
    ),
    devices: mounts.flatMap((mount) => (mount.type === 'device' ? [mount.destination] : [])),
  };
}
