// SPDX-License-Identifier: Apache-2.0

/**
 * One step of building a sandbox's file system, in the order of the spec: judged, variables and patterns expanded, nothing optional
 * any more. `source` and `lower` are indexes of opened directories or files (`OpenMountSources`), never paths that are looked up again.
 */
export type PlannedMount =
  | {
      readonly type: 'bind';
      /** The spec's field that asked for it. */
      readonly field: string;
      readonly source: number;
      readonly destination: string;
      readonly writable: boolean;
      readonly directory: boolean;
    }
  | { readonly type: 'tmpfs'; readonly field: string; readonly destination: string; readonly size: number }
  | { readonly type: 'directory'; readonly field: string; readonly destination: string }
  | { readonly type: 'device'; readonly field: string; readonly destination: string }
  | {
      readonly type: 'overlay';
      readonly field: string;
      readonly lower: number;
      readonly destination: string;
      /** Bytes of memory, or the directory of Bureau's that keeps what is written. */
      readonly upper: number | string;
      /** Where the relay puts it together before bubblewrap binds it. */
      readonly stage: string;
    };

/** Where something of the host must be mounted on inside `/etc`, and whether on a directory or on a file. */
export interface MountPoint {
  readonly path: string;
  readonly directory: boolean;
}

/** The planned mounts' own places. */
export function mountPoints(mounts: readonly PlannedMount[]): MountPoint[] {
  return mounts.map((mount) => ({ path: mount.destination, directory: mount.type === 'bind' ? mount.directory : mount.type !== 'device' }));
}
