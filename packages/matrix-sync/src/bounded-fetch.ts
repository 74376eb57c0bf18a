// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';

/**
 * `fetch` whose answers are there whole, and bounded: a body that never ends, or that has more than `maxBytes`, fails. So a deadline of
 * the caller's signal covers the body too, which that of matrix-js-sdk alone does not. Redirects are not followed: they would carry the
 * token elsewhere.
 */
export function boundedFetch(maxBytes: number): typeof fetch {
  return async (resource, options) => {
    const answer = await fetch(resource, { ...options, redirect: 'manual' });
    const body = answer.body === null ? null : await readBody(answer.body, maxBytes);
    return new Response(body === null || body.length === 0 ? null : body, { status: readable(answer.status), headers: answer.headers });
  };
}

async function readBody(body: ReadableStream<Uint8Array>, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body) {
    size += piece.length;
    if (size > maxBytes)
      throw new BureauError('homeserver_garbled', `Expected at most ${maxBytes} bytes of an answer of the homeserver; there are more`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** `Response` cannot be made with every status that a server may send. */
function readable(status: number): number {
  return status >= 200 && status <= 599 && ![204, 205, 304].includes(status) ? status : 502;
}
