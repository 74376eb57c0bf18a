// SPDX-License-Identifier: Apache-2.0
import type { Readable } from 'node:stream';
import type { ChildFailure } from './child-failure.ts';
import { READY_LINE_MAX_BYTES } from './limits.ts';

/**
 * Reads the readiness pipe up to its first line and calls `settle` once: with null for `ready\n`, else with what was wrong.
 * Whoever calls it destroys the stream afterwards.
 */
export function watchReadiness(stream: Readable, settle: (failure: ChildFailure | null) => void): void {
  let text = '';
  stream.setEncoding('latin1');
  stream.on('data', (chunk: string) => {
    text += chunk;
    const end = text.indexOf('\n');
    const line = end === -1 ? text : text.slice(0, end);
    if (end !== -1 && line === 'ready') settle(null);
    else if (end !== -1 || text.length > READY_LINE_MAX_BYTES)
      settle({ reason: 'not_ready_line', found: line.slice(0, READY_LINE_MAX_BYTES) });
  });
  stream.on('end', () => settle({ reason: 'pipe_closed' }));
  stream.on('error', () => settle({ reason: 'pipe_closed' }));
}
