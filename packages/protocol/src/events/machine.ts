// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { integer, machineName, principalName, text, timestamp, userId } from '../scalars.ts';

const percent = integer(0, 100);
const byteCount = integer(0, Number.MAX_SAFE_INTEGER);

/** `key` or `key=value` for people and placement: `gpu=mi300`. */
export const machineLabels = v.pipe(
  v.record(
    v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9._/-]{0,62}$/, 'expected a label such as "gpu"')),
    v.pipe(v.string(), v.regex(/^[A-Za-z0-9._/-]{0,63}$/, 'expected a value of letters, digits, ".", "_", "/" and "-"')),
  ),
  v.check((all) => Object.keys(all).length <= 64, 'expected at most 64 labels'),
);

/** `age1…`. */
const ageRecipient = v.pipe(v.string(), v.regex(/^age1[a-z0-9]{10,100}$/, 'expected an age recipient'));

/** m.bureau.machine_key: what bundles for this machine are sealed to. */
export const machineKeyContent = v.object({
  v: v.literal(1),
  algorithm: v.literal('age-x25519'),
  recipient: ageRecipient,
  /** The provisioning that asked for it: the ID of that m.bureau.machine_provision event. */
  provision: v.optional(text(255)),
});

/** m.bureau.machine_info: what does not change while the machine is up. */
export const machineInfoContent = v.object({
  v: v.literal(1),
  hostname: text(255),
  kernel: text(255),
  build: text(100),
  cpu: v.object({ model: text(255), sockets: integer(0, 4_096), cores: integer(0, 65_536), threads: integer(0, 65_536) }),
  memoryBytes: byteCount,
  swapBytes: byteCount,
  gpus: v.optional(
    v.pipe(
      v.array(
        v.object({
          vendor: text(100),
          model: text(255),
          slot: text(32),
          memoryBytes: v.optional(byteCount),
          driver: v.optional(text(100)),
        }),
      ),
      v.maxLength(64),
    ),
    [],
  ),
});
export type MachineInfoContent = v.InferOutput<typeof machineInfoContent>;

/** m.bureau.machine_config: what operators say about the machine itself. */
export const machineConfigContent = v.object({
  v: v.literal(1),
  labels: v.optional(machineLabels, {}),
  /** Nothing new is started; what runs goes on. */
  cordoned: v.optional(v.boolean(), false),
  /** What runs is ended in order, and nothing new is started. */
  draining: v.optional(v.boolean(), false),
});
export type MachineConfigContent = v.InferOutput<typeof machineConfigContent>;

/** m.bureau.machine_provision: written when the account is made; `recipient` is added when the machine's key is first seen, and never changed after. */
export const machineProvisionContent = v.object({
  v: v.literal(1),
  machine: machineName,
  /** The one account whose word about this machine counts. */
  user: userId,
  at: timestamp,
  by: userId,
  /** The key that operators seal to; what the machine publishes later is refused unless it is this one. */
  recipient: v.optional(ageRecipient),
  /** The homeserver's address as the machine reaches it, where that is not the operators' own. */
  homeserverUrl: v.optional(v.pipe(v.string(), v.maxLength(500), v.url())),
  /** When the machine was taken out of service in good order. */
  decommissionedAt: v.optional(timestamp),
});
export type MachineProvisionContent = v.InferOutput<typeof machineProvisionContent>;

/** m.bureau.machine_revocation: an emergency. */
export const machineRevocationContent = v.object({
  v: v.literal(1),
  machine: machineName,
  at: timestamp,
  by: userId,
  reason: text(500),
  /** Whose tokens were ended with the machine's; keys of theirs at other places are to be changed there. */
  principals: v.pipe(v.array(principalName), v.maxLength(400)),
});
export type MachineRevocationContent = v.InferOutput<typeof machineRevocationContent>;

/** m.bureau.machine_load: how busy it is; written when something has changed by more than a dead band, and after ten minutes of silence. */
export const machineLoadContent = v.object({
  v: v.literal(1),
  at: timestamp,
  cpuPercent: percent,
  memoryUsedBytes: byteCount,
  uptimeSeconds: integer(0, Number.MAX_SAFE_INTEGER),
  sandboxes: v.object({ running: integer(0, 100_000), waiting: integer(0, 100_000) }),
  principals: v.optional(
    v.pipe(
      v.array(v.object({ principal: principalName, cpuPercent: integer(0, 100_000), memoryBytes: byteCount })),
      v.maxLength(400, 'expected at most 400 principals: the busiest'),
    ),
    [],
  ),
});
export type MachineLoadContent = v.InferOutput<typeof machineLoadContent>;
