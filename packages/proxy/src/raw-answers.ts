// SPDX-License-Identifier: Apache-2.0
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { PROBLEM_TYPE, Problem, problemBody } from './problem.ts';

/** Writes a problem to a connection that Node's parser has given up, and closes it. */
export function endWithProblem(socket: Duplex, problem: Problem, traceId: string, explain?: string): void {
  const body = problemBody(problem, traceId, explain);
  const headers = Object.entries(problem.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? 'Error'}\r\ncontent-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${headers.join('')}connection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

/** What the bytes that Node's parser refused are told: its own code, none of the bytes. */
export function problemOfParser(code: string | undefined): Problem {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new Problem(431, 'head_too_large', 'Expected a shorter request line and headers (limit requestHeadBytes); send fewer.', {
      close: true,
    });
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW')
    return new Problem(413, 'body_too_large', 'Expected a body without long chunk extensions.', { close: true });
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new Problem(
      408,
      'request_timeout',
      'Expected the whole request sooner (limits headMilliseconds and requestMilliseconds); send it again.',
      { close: true },
    );
  return new Problem(400, 'invalid_http', `Expected a valid HTTP/1.1 request, found something else (${code ?? 'no reason given'}).`, {
    close: true,
  });
}
