// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import { STATUS_RETRY_MILLISECONDS } from './limits.ts';

/** Milliseconds before something is sent again that was not taken: not earlier than the homeserver asks for. */
export function publishPause(error: unknown): number {
  const asked = error instanceof BureauError ? error.data['retryAfterMilliseconds'] : undefined;
  return Math.max(STATUS_RETRY_MILLISECONDS, typeof asked === 'number' ? asked : 0);
}
