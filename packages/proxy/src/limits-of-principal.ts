// SPDX-License-Identifier: Apache-2.0
import type { PrincipalLimits } from '@bureau/protocol';
import type { ProxyLimits } from './limits.ts';

/** The limits of a proxy with what its bundle says in their place. */
export function limitsOfPrincipal(usual: ProxyLimits, own: PrincipalLimits | undefined): ProxyLimits {
  if (own === undefined) return usual;
  return {
    ...usual,
    requestsPerSecond: own.requests_per_second ?? usual.requestsPerSecond,
    requestsBurst: own.requests_burst ?? usual.requestsBurst,
    concurrentRequests: own.concurrent_requests ?? usual.concurrentRequests,
    trafficBytesPerSecond: own.traffic_bytes_per_second ?? usual.trafficBytesPerSecond,
    trafficBurstBytes: own.traffic_burst_bytes ?? usual.trafficBurstBytes,
    tunnels: own.tunnels ?? usual.tunnels,
    tunnelBytes: own.tunnel_bytes ?? usual.tunnelBytes,
    tunnelIdleMilliseconds: own.tunnel_idle_seconds === undefined ? usual.tunnelIdleMilliseconds : own.tunnel_idle_seconds * 1_000,
    connections: own.connections ?? usual.connections,
  };
}
