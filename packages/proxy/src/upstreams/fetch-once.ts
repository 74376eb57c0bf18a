// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import type { UpstreamRule } from '@bureau/protocol';
import type { TokenRequest } from '../injection/oauth2.ts';
import { problemOfFailure, type UpstreamFailure } from './failure.ts';
import { Dialler } from './dial.ts';
import { H1Connection } from './h1-connection.ts';

/** From the start of a token request until its whole answer is here, in milliseconds. */
const TOKEN_MILLISECONDS = 10_000;
/** Bytes of a token endpoint's answer: a token and a few words. */
const TOKEN_ANSWER_BYTES = 64 * 1_024;
const TOKEN_HEAD_BYTES = 16 * 1_024;

/** Posts forms to one token endpoint, each on a connection of its own. Rejects with a `Problem`. */
export function tokenEndpoint(url: URL, ca: string | undefined, where: string, clock: Clock): TokenRequest {
  const rule: UpstreamRule = { url: url.href, inject: [], ...(ca === undefined ? {} : { ca }) };
  const dialler = new Dialler({ url, rule, protocol: 'http/1.1', connectMilliseconds: TOKEN_MILLISECONDS, clock });
  const told = (failure: UpstreamFailure): Error => problemOfFailure(failure, `the token server of ${where}`);
  return (form, authorization) =>
    new Promise((resolve, reject) => {
      dialler.open((failure, socket) => {
        if (failure !== undefined) return reject(told(failure));
        const connection = new H1Connection(socket, {
          headMost: TOKEN_HEAD_BYTES,
          onFree: (one) => one.abort(),
          onGone: () => timer.clear(),
        });
        const timer = clock.setTimer(TOKEN_MILLISECONDS, () => {
          connection.abort();
          reject(new Error(`no answer within ${TOKEN_MILLISECONDS} ms`));
        });
        const body = Buffer.from(form, 'latin1');
        let status = 0;
        const chunks: Buffer[] = [];
        let size = 0;
        const head = `POST ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\ncontent-type: application/x-www-form-urlencoded\r\naccept: application/json\r\ncontent-length: ${body.length}\r\n`;
        const keys =
          authorization === undefined
            ? Buffer.alloc(0)
            : Buffer.concat([Buffer.from('authorization: '), authorization, Buffer.from('\r\n')]);
        connection.start(
          { head, keys, bodyless: false, framing: 'length', headersMilliseconds: TOKEN_MILLISECONDS, idleMilliseconds: TOKEN_MILLISECONDS },
          {
            head: (code) => (status = code),
            data: (chunk) => {
              size += chunk.length;
              if (size <= TOKEN_ANSWER_BYTES) return void chunks.push(Buffer.from(chunk));
              connection.abort();
              reject(new Error('its answer is too long'));
            },
            flush: () => true,
            drained: () => undefined,
            ended: () => resolve({ status, body: Buffer.concat(chunks) }),
            failed: (cause) => reject(told(cause)),
            switched: (_headers, other) => {
              other.destroy();
              reject(new Error('it changed the protocol'));
            },
          },
        );
        connection.write(body);
        connection.end();
      });
    });
}
