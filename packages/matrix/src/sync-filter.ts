// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import type { Content } from './client-types.ts';

/** Takes nothing of one part of a sync. */
export const NOTHING: Content = { types: [] };

/**
 * The parts of a sync filter that leave out everything but rooms. Unlike any filter before: Synapse gives the answer to a first sync to
 * everybody who asks with the same filter within two minutes (`sync_response_cache_duration`), and so a state that is past.
 */
export function roomsOnly(): Content {
  return { presence: { types: [], not_types: [`m.bureau.fresh.${randomBytes(8).toString('hex')}`] }, account_data: NOTHING };
}
