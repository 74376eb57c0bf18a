// SPDX-License-Identifier: Apache-2.0
// undici's entry loads fetch, WebSocket and caches (75 ms here); its Pool and request alone take 23 ms, and a proxy is started per
// agent. undici is pinned exactly and has no `exports` map; undici-pool.test.ts fails when these two files move.
// @ts-expect-error: undici declares types for its entry only
import requestFunction from 'undici/lib/api/api-request.js';
// @ts-expect-error: as above
import PoolClass from 'undici/lib/dispatcher/pool.js';
import type { Dispatcher, Pool as PoolType } from 'undici';

/** A keep-alive connection pool to one origin. */
export type Pool = PoolType;

/** A pool that verifies TLS whatever the environment says, speaks HTTP/1.1 and never follows a redirect. */
export function createPool(origin: string, options: PoolType.Options): Pool {
  const Constructor = PoolClass as unknown as new (origin: string, options: PoolType.Options) => Pool;
  const connect = typeof options.connect === 'object' ? options.connect : {}; // a connector of one's own could skip the check
  return new Constructor(origin, { ...options, allowH2: false, pipelining: 1, connect: { ...connect, rejectUnauthorized: true } });
}

/** One request on a pool; resolves when the head of the answer is here. */
export function requestOn(pool: Pool, options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> {
  const call = requestFunction as unknown as (this: Pool, options: Dispatcher.RequestOptions) => Promise<Dispatcher.ResponseData>;
  return call.call(pool, options);
}
