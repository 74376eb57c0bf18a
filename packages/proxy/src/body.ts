// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock, Timer } from '@bureau/core';
import type * as v from 'valibot';
import { Problem, quoted } from './problem.ts';
import { validate } from './validation.ts';

const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?$/i;

/** Event on a request whose body Node's parser found malformed or late; its argument is the `Problem` to answer with. */
export const BODY_BROKEN: unique symbol = Symbol('body broken');

/** How much of a body is read, and for how long. */
export interface BodyBounds {
  readonly longest: number;
  readonly milliseconds: number;
  readonly clock: Clock;
}

/** True when the request announces a body (an empty one included when its length is not known). */
export function announcesBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length'];
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

/**
 * The JSON body of a request, validated. Throws a `Problem`: 415 for another media type, 413 above `longest` bytes (before they are
 * read, when announced), 408 past `milliseconds`, 400 for invalid UTF-8 or JSON, and 400 with the field's path for what the schema does not know; what
 * comes with `BODY_BROKEN`, as soon as it comes.
 */
export async function readBody<Schema extends v.GenericSchema>(
  request: IncomingMessage,
  response: ServerResponse,
  schema: Schema,
  bounds: BodyBounds,
): Promise<v.InferOutput<Schema>> {
  const type = request.headers['content-type'] ?? '';
  if (!JSON_TYPE.test(type)) {
    throw new Problem(415, 'unsupported_media_type', `Expected "content-type: application/json", found ${quoted(type)}.`, {
      headers: { accept: 'application/json' },
    });
  }
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new Problem(
      415,
      'unsupported_encoding',
      `Expected a body without content-encoding, found ${quoted(encoding)}; send it as it is.`,
    );
  }
  return validate(parse(await readBytes(request, response, bounds)), schema, 'the body');
}

/** All bytes of a body, or 413 as soon as there are too many. */
export function readBytes(request: IncomingMessage, response: ServerResponse, bounds: BodyBounds): Promise<Buffer> {
  const { longest, milliseconds, clock } = bounds;
  if (Number(request.headers['content-length'] ?? 0) > longest) throw tooLarge(longest);
  let timer: Timer | undefined;
  if (/^100-continue$/i.test(request.headers.expect ?? '')) response.writeContinue();
  return new Promise<Buffer>((resolve, reject) => {
    timer = clock.setTimer(milliseconds, () => reject(tooSlow()));
    const chunks: Buffer[] = [];
    let size = 0;
    request.once(BODY_BROKEN, reject);
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > longest) {
        chunks.length = 0;
        request.removeAllListeners('data');
        return reject(tooLarge(longest));
      }
      chunks.push(chunk);
    });
    request.once('end', () => resolve(Buffer.concat(chunks, size)));
    request.once('error', reject);
    request.once('close', () =>
      reject(new Problem(400, 'body_incomplete', 'The connection ended before the whole body had arrived.', { close: true })),
    );
  }).finally(() => timer?.clear());
}

/** What a body that came too slowly is told. */
function tooSlow(): Problem {
  return new Problem(408, 'request_timeout', 'Expected the whole body sooner (limit requestMilliseconds); send it again.', { close: true });
}

function tooLarge(longest: number): Problem {
  return new Problem(413, 'body_too_large', `Expected a body of at most ${longest} bytes (limit requestBodyBytes); send less.`, {
    close: true,
    extensions: { limit: longest },
  });
}

function parse(bytes: Buffer): unknown {
  // Not TextDecoder: each one takes native memory until the collector comes by.
  if (!isUtf8(bytes)) throw new Problem(400, 'invalid_utf8', 'Expected a body in UTF-8, found bytes that are not.');
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    // V8's message quotes the body; ours must not (a body may hold anything, and problems are copied into logs by agents).
    throw new Problem(400, 'invalid_json', 'Expected a body that is one JSON value, found something else.');
  }
}
