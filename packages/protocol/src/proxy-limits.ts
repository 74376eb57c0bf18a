// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { integer } from './scalars.ts';

/**
 * What an operator may set for one principal's proxy in its bundle; what is absent keeps the proxy's own default
 * (`packages/proxy/src/limits.ts`, where each is explained). The upper bounds are what one proxy process can carry.
 */
export const principalLimits = v.strictObject({
  /** Requests each second, on average, tunnels included. */
  requests_per_second: v.optional(integer(1, 100_000)),
  /** Requests that may come at once above that average. */
  requests_burst: v.optional(integer(1, 100_000)),
  concurrent_requests: v.optional(integer(1, 10_000)),
  /** Bytes each second, on average, of bodies and tunnels, both directions together. */
  traffic_bytes_per_second: v.optional(integer(1, 2 ** 40)),
  traffic_burst_bytes: v.optional(integer(1, 2 ** 50)),
  tunnels: v.optional(integer(0, 10_000)),
  tunnel_bytes: v.optional(integer(1, 2 ** 50)),
  tunnel_idle_seconds: v.optional(integer(1, 86_400)),
  connections: v.optional(integer(1, 15_000)),
});
export type PrincipalLimits = v.InferOutput<typeof principalLimits>;
