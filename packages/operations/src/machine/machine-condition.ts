// SPDX-License-Identifier: Apache-2.0
import type { MachineFacts } from './machine-facts.ts';

/** A machine says something every ten minutes at least; two more are a loaded homeserver. */
const SILENT_AFTER_MILLISECONDS = 720_000;

/** The one word for how a machine is, the gravest first. */
export const MACHINE_CONDITIONS = [
  'revoked',
  'decommissioned',
  // It says another key than the pinned one.
  'key_changed',
  // It has published no key yet.
  'expected',
  // Nobody has pinned its key.
  'unconfirmed',
  'silent',
  'draining',
  'cordoned',
  'ready',
] as const;
export type MachineCondition = (typeof MACHINE_CONDITIONS)[number];

/** How a machine is, from what its room says. Pure. */
export function machineCondition(facts: MachineFacts, now: number): MachineCondition {
  const { config, provision, revocation, recipient, load } = facts;
  if (revocation !== undefined) return 'revoked';
  if (provision?.decommissionedAt !== undefined) return 'decommissioned';
  if (recipient !== undefined && provision?.recipient !== undefined && provision.recipient !== recipient) return 'key_changed';
  if (recipient === undefined) return 'expected';
  if (provision?.recipient === undefined) return 'unconfirmed';
  if (load === undefined || now - load.at > SILENT_AFTER_MILLISECONDS) return 'silent';
  if (config.draining) return 'draining';
  return config.cordoned ? 'cordoned' : 'ready';
}
