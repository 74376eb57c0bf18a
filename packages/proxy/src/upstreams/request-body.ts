// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RunningCall } from './answer-sink.ts';

/** Sends the agent's body on as it comes, at the upstream's pace; `count` is told of each piece. */
export function passBody(request: IncomingMessage, response: ServerResponse, call: RunningCall, count: (bytes: number) => void): void {
  if (/^100-continue$/i.test(request.headers.expect ?? '')) response.writeContinue();
  request.on('data', (chunk: Buffer) => {
    count(chunk.length);
    if (!call.write(chunk)) request.pause();
  });
  request.once('end', () => call.end());
}

/** Nobody wants the rest of the body any more: it is read and forgotten. */
export function dropBody(request: IncomingMessage): void {
  request.removeAllListeners('data').resume();
}
