// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { integer, principalName, text, timestamp } from '../scalars.ts';

const percent = integer(0, 100);
const byteCount = integer(0, Number.MAX_SAFE_INTEGER);

/** `key` or `key=value` for people and placement: `gpu=mi300`. */
const labels = v.pipe(
  v.record(
    v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9._/-]{0,62}$/, 'expected a label such as "gpu"')),
    v.pipe(v.string(), v.regex(/^[A-Za-z0-9._/-]{0,63}$/, 'expected a value of letters, digits, ".", "_", "/" and "-"')),
  ),
  v.check((all) => Object.keys(all).length <= 64, 'expected at most 64 labels'),
);

/** m.bureau.machine_key: what bundles for this machine are sealed to. */
export const machineKeyContent = v.object({
  v: v.literal(1),
  algorithm: v.literal('age-x25519'),
  /** `age1…`. */
  recipient: v.pipe(v.string(), v.regex(/^age1[a-z0-9]{10,100}$/, 'expected an age recipient')),
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

/** m.bureau.machine_config: what operators say about the machine itself. */
export const machineConfigContent = v.object({
  v: v.literal(1),
  labels: v.optional(labels, {}),
  /** Nothing new is started; what runs goes on. */
  cordoned: v.optional(v.boolean(), false),
  /** What runs is ended in order, and nothing new is started. */
  draining: v.optional(v.boolean(), false),
});

/** m.bureau.machine_load: how busy it is; written when something has changed by more than a dead band, and every few minutes. */
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
