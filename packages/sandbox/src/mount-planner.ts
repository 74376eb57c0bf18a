// SPDX-License-Identifier: Apache-2.0
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { pathFault, type Mount, type SandboxSpec } from '@bureau/protocol';
import { planDirectories } from './create-directories.ts';
import type { PlannedMount } from './mount-plan.ts';
import { listDirectory, refuseSource, type OpenMountSources } from './mount-source.ts';
import { GRAPHICS_DIRECTORIES, forbiddenDevice, isGraphicsDevice, matchesPattern } from './policy-devices.ts';
import type { LauncherPolicy } from './policy-file.ts';
import { CREATED_DIRECTORY_BYTES, judgeDevice, judgeSource, refusal } from './policy.ts';

/** Most files that one pattern may match: each is a mount and a descriptor. */
const MATCHES_MAX = 256;

/** The places of Bureau's own that the plan of one principal refers to. */
export interface MountPlaces {
  /** An empty directory of root's; overlays are put together in a namespace of their own on top of it. */
  readonly overlayDirectory: string;
  /** The directory that an overlay's `kept` upper of this name has. */
  keptDirectory(name: string): string;
}

/**
 * Opens everything of the host that a judged spec mounts, into `sources`, and says in which order what is mounted where. Judges what only the
 * look at the files brings up: matches of patterns, graphics devices. Throws `mount_refused`, `spec_refused`.
 */
export function planMounts(spec: SandboxSpec, policy: LauncherPolicy, places: MountPlaces, sources: OpenMountSources): PlannedMount[] {
  const mounts = [
    ...spec.mounts.flatMap((mount, index) => planMount(mount, `mounts[${index}]`, { policy, places, sources, index })),
    ...(spec.root?.type === 'nix' ? planBind('/nix/store', '/nix/store', false, false, 'root', sources) : []),
    ...(spec.gpu === true ? graphicsDevices(policy) : []),
    ...planDirectories(spec).flatMap((made, index): PlannedMount[] => {
      const field = `createDirectories[${index}]`;
      if (made.type === 'there') return [];
      if (made.type === 'directory') return [{ type: 'directory', field, destination: made.path }];
      return [{ type: 'tmpfs', field, destination: made.path, size: CREATED_DIRECTORY_BYTES }];
    }),
  ];
  const seen = new Set<string>();
  return mounts.filter(({ destination, type }) => type !== 'device' || (!seen.has(destination) && seen.add(destination)));
}

interface PlanContext {
  readonly policy: LauncherPolicy;
  readonly places: MountPlaces;
  readonly sources: OpenMountSources;
  readonly index: number;
}

function planMount(mount: Mount, field: string, context: PlanContext): PlannedMount[] {
  const { places, sources, index } = context;
  switch (mount.type) {
    case 'tmpfs':
      return [{ type: 'tmpfs', field, destination: mount.destination, size: mount.size }];
    case 'device':
      return deviceThere(mount.source, `${field}.source`, mount.optional) ? [{ type: 'device', field, destination: mount.source }] : [];
    case 'overlay': {
      const lower = sources.open(mount.lower, `${field}.lower`);
      if (lower?.kind !== 'directory') refuseSource(`${field}.lower`, mount.lower, 'expected a directory');
      const upper = mount.upper === 'tmpfs' ? mount.size : places.keptDirectory(mount.upper.kept);
      const stage = `${places.overlayDirectory}/${index}`;
      return [{ type: 'overlay', field, lower: lower.index, destination: mount.destination, upper, stage }];
    }
    case 'bind':
      if (mount.glob === true) return planMatches(mount, field, context);
      return planBind(mount.source, mount.destination, mount.mode === 'rw', mount.optional, `${field}.source`, sources);
  }
}

function planBind(
  source: string,
  destination: string,
  writable: boolean,
  optional: boolean,
  field: string,
  sources: OpenMountSources,
): PlannedMount[] {
  const opened = sources.open(source, field);
  if (opened !== undefined) {
    return [{ type: 'bind', field, source: opened.index, destination, writable, directory: opened.kind === 'directory' }];
  }
  return optional ? [] : refuseSource(field, source, 'there is no such file or directory');
}

function planMatches(
  mount: Extract<Mount, { type: 'bind' }>,
  mountField: string,
  { policy, sources }: Pick<PlanContext, 'policy' | 'sources'>,
): PlannedMount[] {
  const field = `${mountField}.source`;
  const directory = dirname(mount.source);
  if (/[*?]/.test(directory)) refuseSource(field, mount.source, 'a pattern may stand in the last segment only');
  const matches = (listDirectory(directory, field) ?? [])
    .map((name) => `${directory}/${name}`)
    .filter((path) => matchesPattern(mount.source, path));
  if (matches.length > MATCHES_MAX) refuseSource(field, mount.source, `${matches.length} names match, at most ${MATCHES_MAX} may`);
  if (matches.length === 0 && !mount.optional) refuseSource(field, mount.source, 'nothing matches');
  return matches.flatMap((path) => {
    if (pathFault(path) !== undefined) refuseSource(field, path, `a name that matches cannot be mounted: ${pathFault(path)}`);
    const refused = judgeSource(path, mount.mode, field, policy);
    if (refused !== undefined) throw refusal(refused.rule, refused.message);
    return planBind(path, `${mount.destination}/${basename(path)}`, mount.mode === 'rw', true, field, sources);
  });
}

/** All that are here and that the policy lists; a spec that wants graphics and gets none is told so. */
function graphicsDevices(policy: LauncherPolicy): PlannedMount[] {
  const here = GRAPHICS_DIRECTORIES.flatMap((directory) => namesIn(directory).map((name) => `${directory}/${name}`)).filter(
    isGraphicsDevice,
  );
  const allowed = here.filter((path) => judgeDevice(path, 'gpu', policy).ok);
  if (allowed.length > 0)
    return allowed.flatMap((path) => (deviceThere(path, 'gpu', true) ? [{ type: 'device', field: 'gpu', destination: path }] : []));
  const found =
    here.length === 0 ? 'this machine has none (/dev/dri, /dev/kfd, /dev/nvidia*)' : `the policy lists none of ${here.join(', ')}`;
  throw refusal('device_not_listed', `gpu: a graphics device is asked for, and ${found}`);
}

function namesIn(directory: string): string[] {
  return statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true ? readdirSync(directory).toSorted() : [];
}

/** `/dev` is root's, so what is there now is there when it is mounted. Only character devices, and only those that the name cannot hide. */
function deviceThere(path: string, field: string, optional: boolean): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return optional ? false : refuseSource(field, path, 'there is no such device');
  if (!found.isCharacterDevice() || forbiddenDevice(path) !== undefined) refuseSource(field, path, 'expected a character device');
  // Whatever its name: /dev/mem and its kind (major 1 but null, zero, full, random, urandom), terminals (4, 5, 136…).
  const [major, minor] = [(found.rdev >> 8) & 0xfff, (found.rdev & 0xff) | ((found.rdev >> 12) & 0xfff00)];
  const memory = major === 1 && ![3, 5, 7, 8, 9].includes(minor);
  if (memory || major === 4 || major === 5 || (major >= 136 && major <= 143))
    refuseSource(field, path, 'it is memory or a terminal by another name');
  return true;
}
