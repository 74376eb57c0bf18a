// SPDX-License-Identifier: Apache-2.0
import type { Readable } from 'node:stream';
import type { ChildFailure } from './child-failure.ts';
import { FAILURE_MAX_CHARACTERS, READY_LINE_MAX_BYTES } from './limits.ts';
import { failureSaid, mayBeFailure } from './start-failure.ts';

/**
 * Reads the readiness pipe up to its first line and calls `settle` once: with null for `ready\n`, else with what was wrong.
 * Whoever calls it destroys the stream afterwards.
 */
export function watchReadiness(stream: Readable, settle: (failure: ChildFailure | null) => void): void {
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    text += chunk;
    const end = text.indexOf('\n');
    const line = end === -1 ? text : text.slice(0, end);
    const longest = mayBeFailure(line) ? FAILURE_MAX_CHARACTERS : READY_LINE_MAX_BYTES;
    if (end !== -1 && line === 'ready') settle(null);
    else if (end !== -1 || text.length > longest) settle(unready(line));
  });
  stream.on('end', () => settle({ reason: 'pipe_closed' }));
  stream.on('error', () => settle({ reason: 'pipe_closed' }));
}

function unready(line: string): ChildFailure {
  const why = failureSaid(line);
  return why === undefined ? { reason: 'not_ready_line', found: line.slice(0, READY_LINE_MAX_BYTES) } : { reason: 'said_why', why };
}
