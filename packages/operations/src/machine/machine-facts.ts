// SPDX-License-Identifier: Apache-2.0
import type { UserId } from '@bureau/core';
import type { OpenMachineRoom, StateEvent } from '@bureau/matrix';
import {
  ASSIGNMENT,
  MACHINE_CONFIG,
  MACHINE_INFO,
  MACHINE_KEY,
  MACHINE_LOAD,
  MACHINE_PROVISION,
  MACHINE_REVOCATION,
  readEvent,
  type EventDefinition,
  type MachineConfigContent,
  type MachineInfoContent,
  type MachineLoadContent,
  type MachineProvisionContent,
  type MachineRevocationContent,
} from '@bureau/protocol';
import type * as v from 'valibot';

/** What a machine's config room says of it, as far as it can be read. */
export interface MachineFacts {
  /** What operators say; without an event: no labels, and it takes what comes. */
  readonly config: MachineConfigContent;
  readonly provision?: MachineProvisionContent;
  readonly revocation?: MachineRevocationContent;
  /** The key that the machine's own account has published. */
  readonly recipient?: string;
  readonly info?: MachineInfoContent;
  readonly load?: MachineLoadContent;
  /** Principals that are to run there. */
  readonly assigned: readonly string[];
  /** Events that are there and cannot be read, in words for a person. */
  readonly faults: readonly string[];
}

const NO_CONFIG: MachineConfigContent = { v: 1, labels: {}, cordoned: false, draining: false };

/** Reads a config room's state. What a machine says of itself counts under its own user ID and from its own account alone. Pure. */
export function machineFacts({ state, user }: Pick<OpenMachineRoom, 'state' | 'user'>): MachineFacts {
  const faults: string[] = [];
  const take = <Schema extends v.GenericSchema>(
    definition: EventDefinition<Schema>,
    event: StateEvent | undefined,
  ): v.InferOutput<Schema> | undefined => {
    if (event === undefined) return undefined;
    const reading = readEvent(definition, event.content);
    if (reading.ok) return reading.content;
    if (reading.fault !== 'empty') faults.push(`${definition.type}: ${reading.message}`);
    return undefined;
  };
  const own = (type: string): StateEvent | undefined => ofItself(state, type, user);
  const said = (type: string): StateEvent | undefined => state.find((event) => event.type === type && event.state_key === '');
  const config = take(MACHINE_CONFIG, said(MACHINE_CONFIG.type));
  const provision = take(MACHINE_PROVISION, said(MACHINE_PROVISION.type));
  const revocation = take(MACHINE_REVOCATION, said(MACHINE_REVOCATION.type));
  const key = take(MACHINE_KEY, own(MACHINE_KEY.type));
  const info = take(MACHINE_INFO, own(MACHINE_INFO.type));
  const load = take(MACHINE_LOAD, own(MACHINE_LOAD.type));
  const assigned = state
    .filter(({ type, content }) => type === ASSIGNMENT.type && Object.keys(content).length > 0)
    .map(({ state_key: principal }) => principal)
    .toSorted();
  return {
    config: config ?? NO_CONFIG,
    ...(provision === undefined ? {} : { provision }),
    ...(revocation === undefined ? {} : { revocation }),
    ...(key === undefined ? {} : { recipient: key.recipient }),
    ...(info === undefined ? {} : { info }),
    ...(load === undefined ? {} : { load }),
    assigned,
    faults,
  };
}

function ofItself(state: readonly StateEvent[], type: string, user: UserId): StateEvent | undefined {
  return state.find((event) => event.type === type && event.state_key === user && event.sender === user);
}
