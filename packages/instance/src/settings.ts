// SPDX-License-Identifier: Apache-2.0
import { parseInstanceName, type InstanceName } from '@bureau/core';
import { readJson, writeFileAtomic } from '@bureau/files';
import { integer, machineName, roomId, serverName, text, userId } from '@bureau/protocol';
import * as v from 'valibot';
import { SETTINGS_FILE_MAX_BYTES, WARM_PROCESSES_DEFAULT, WARM_PROCESSES_MAX } from './limits.ts';
import type { InstancePaths } from './paths.ts';

const instanceName = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9]{0,12}$/, 'expected 1 to 12 of a-z and 0-9, or nothing for the default instance'),
  v.transform((name): InstanceName => parseInstanceName(name)),
);
const baseUrl = v.pipe(v.string(), v.maxLength(2_000), v.url(), v.regex(/^https?:\/\//, 'expected an http or https URL'));

const warmCount = integer(0, WARM_PROCESSES_MAX);

/** instance.json: what `script/up` decided for this stand. Holds no secret; 0644. */
export const instanceSettings = v.strictObject({
  v: v.literal(1),
  name: instanceName,
  uidBase: integer(1, 2 ** 31 - 1),
  serverName,
  homeserverPort: integer(1, 65_535),
  homeserverUrl: baseUrl,
  machine: machineName,
  /** The homeserver is another host's: this stand has none of its own. */
  joined: v.optional(v.literal(true)),
  /** Hash of the build that this stand runs. */
  build: text(100),
  /** Processes that are started ahead for the next sandboxes: each costs memory at rest and saves a start of Node. See {@link warmSizes}. */
  warm: v.optional(v.strictObject({ relays: v.optional(warmCount), proxies: v.optional(warmCount) })),
});
export type InstanceSettings = v.InferOutput<typeof instanceSettings>;

/** machine.json: what the machine pinned when it was provisioned (design, section 4). root:daemon, 0640. */
export const machineSettings = v.strictObject({
  v: v.literal(1),
  machine: machineName,
  userId,
  /** Pinned by id: an alias is never resolved again for it. */
  configRoom: roomId,
  configRoomCreator: userId,
  templateRoom: roomId,
  agentsRoom: roomId,
  homeserverUrl: baseUrl,
  serverName,
  /** The machine's age recipient: bundles are sealed to it. */
  recipient: text(200),
});
export type MachineSettings = v.InferOutput<typeof machineSettings>;

/** How many relays and proxies wait at rest. */
export function warmSizes(settings: Pick<InstanceSettings, 'warm'>): { readonly relays: number; readonly proxies: number } {
  const { relays = WARM_PROCESSES_DEFAULT, proxies = WARM_PROCESSES_DEFAULT } = settings.warm ?? {};
  return { relays, proxies };
}

/** Reads instance.json. Throws `file_missing` before the first `script/up`, `file_malformed`. */
export function readSettings(paths: InstancePaths): InstanceSettings {
  return readJson(paths.settingsFile, instanceSettings, SETTINGS_FILE_MAX_BYTES);
}

/** Writes instance.json whole. Throws `file_write_failed`. */
export function writeSettings(paths: InstancePaths, settings: InstanceSettings): void {
  writeFileAtomic(paths.settingsFile, serialise(settings), { mode: 0o644 });
}

/** Reads machine.json. Throws `file_missing` before the machine is provisioned, `file_malformed`. */
export function readMachine(paths: InstancePaths): MachineSettings {
  return readJson(paths.machineFile, machineSettings, SETTINGS_FILE_MAX_BYTES);
}

/** Writes machine.json whole, for root and the daemon's group only. Throws `file_write_failed`. */
export function writeMachine(paths: InstancePaths, settings: MachineSettings, daemonGid: number): void {
  writeFileAtomic(paths.machineFile, serialise(settings), { mode: 0o640, uid: 0, gid: daemonGid });
}

function serialise(settings: object): string {
  return `${JSON.stringify(settings, null, 2)}\n`;
}
