// SPDX-License-Identifier: Apache-2.0
import type { RoomId } from '@bureau/core';
import type { Logger } from '@bureau/log';
import type { MachineSync } from '@bureau/matrix-sync';
import { MACHINE_CONFIG, readEvent } from '@bureau/protocol';
import type { MachineRules } from '@bureau/reconcile';

const NO_RULES: MachineRules = { cordoned: false, draining: false };

/**
 * What operators say of the machine itself in its config room. An event that cannot be read is told once and counts as none: a slip in it
 * must not stop what runs, nor what is to start.
 */
export function machineRules(sync: MachineSync, configRoom: RoomId, logger: Logger): () => MachineRules {
  let told: string | undefined;
  return () => {
    const fact = sync.state(configRoom, MACHINE_CONFIG.type).find(({ stateKey }) => stateKey === '');
    if (fact === undefined) return NO_RULES;
    const reading = readEvent(MACHINE_CONFIG, fact.content);
    if (reading.ok) return { cordoned: reading.content.cordoned, draining: reading.content.draining };
    if (reading.fault !== 'empty' && told !== fact.eventId) {
      told = fact.eventId;
      logger.error(
        { event: fact.eventId, reason: reading.message },
        'what operators say of this machine cannot be read, and counts as nothing',
      );
    }
    return NO_RULES;
  };
}
