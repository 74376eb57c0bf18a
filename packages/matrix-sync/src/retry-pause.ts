// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import { RETRY_FIRST_MILLISECONDS, RETRY_MAX_MILLISECONDS } from './limits.ts';

/** Milliseconds before what failed `failures` times in a row is tried again: as long as the homeserver asked for, else longer each time. */
export function retryPause(error: unknown, failures: number): number {
  const asked = error instanceof BureauError ? error.data['retryAfterMilliseconds'] : undefined;
  return typeof asked === 'number' ? asked : Math.min(RETRY_MAX_MILLISECONDS, RETRY_FIRST_MILLISECONDS * 2 ** Math.min(failures - 1, 20));
}
