// SPDX-License-Identifier: Apache-2.0
import { UsageError, type MachineName } from '@bureau/core';
import { MACHINE_CONFIG, machineLabels, requireWritable, type MachineConfigContent } from '@bureau/protocol';
import * as v from 'valibot';
import { openSession, type SessionInput } from '../matrix/session.ts';
import type { OperationContext } from '../registry/context.ts';
import { findMachine } from './find-machine.ts';
import { machineFacts } from './machine-facts.ts';

/** What is said of a machine after a change. */
export const changedConfig = v.strictObject({
  machine: v.string(),
  labels: v.record(v.string(), v.string()),
  cordoned: v.boolean(),
  draining: v.boolean(),
  event_id: v.string(),
});
export type ChangedConfig = v.InferOutput<typeof changedConfig>;

/** Changes what operators say of a machine, the rest stays as it is; the machine reads it whenever it is there. Throws `machine_unknown`, `event_newer`, `invalid_labels`. */
export async function changeConfig(
  machine: MachineName,
  input: SessionInput,
  change: (before: MachineConfigContent) => Partial<Omit<MachineConfigContent, 'v'>>,
  context: OperationContext,
): Promise<ChangedConfig> {
  const { signal } = context;
  const session = await openSession(input, context);
  const room = await findMachine(session, machine, signal);
  requireWritable(MACHINE_CONFIG, room.state.find(({ type, state_key: key }) => type === MACHINE_CONFIG.type && key === '')?.content);
  const { config: before } = machineFacts(room);
  const config = { ...before, ...change(before) };
  const judged = v.safeParse(machineLabels, config.labels);
  if (!judged.success) throw new UsageError('invalid_labels', `Cannot label ${machine}: ${judged.issues[0].message}`);
  const event = await session.client.setState(room.roomId, MACHINE_CONFIG.type, '', config, { signal });
  return { machine, labels: config.labels, cordoned: config.cordoned, draining: config.draining, event_id: event };
}
