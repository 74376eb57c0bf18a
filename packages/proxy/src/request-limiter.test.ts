// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PROXY_LIMITS, type ProxyLimits } from './limits.ts';
import { limitsOfPrincipal } from './limits-of-principal.ts';
import { Problem } from './problem.ts';
import { RequestLimiter } from './request-limiter.ts';
import { HandClock } from './testing/hand-clock.ts';
import { ProxyFixture } from './testing/proxy-fixture.ts';

function limiterOf(more: Partial<ProxyLimits>, clock = new HandClock()): { limiter: RequestLimiter; clock: HandClock } {
  return { limiter: new RequestLimiter(() => ({ ...PROXY_LIMITS, ...more }), clock), clock };
}

function refusal(task: () => unknown): Problem {
  try {
    task();
  } catch (error) {
    assert.ok(error instanceof Problem);
    return error;
  }
  throw new Error('was let in');
}

test('RequestLimiter: a burst, then the rate, and how long to wait', () => {
  const { limiter, clock } = limiterOf({ requestsPerSecond: 2, requestsBurst: 3 });
  for (let index = 0; index < 3; index += 1) limiter.admitRequest()[Symbol.dispose]();
  const refused = refusal(() => limiter.admitRequest());
  assert.deepEqual([refused.status, refused.code, refused.headers['retry-after']], [429, 'too_many_requests', '1']);
  clock.advance(499);
  refusal(() => limiter.admitTunnel());
  clock.advance(1);
  limiter.admitTunnel()[Symbol.dispose]();
  clock.advance(60_000);
  for (let index = 0; index < 3; index += 1) limiter.admitRequest()[Symbol.dispose]();
  refusal(() => limiter.admitRequest());
  assert.equal(limiter.refused, 3);
});

test('RequestLimiter: concurrent requests and tunnels are counted apart, and given back once', () => {
  const { limiter } = limiterOf({ concurrentRequests: 1, tunnels: 1 });
  const request = limiter.admitRequest();
  const tunnel = limiter.admitTunnel();
  assert.equal(refusal(() => limiter.admitRequest()).code, 'too_busy');
  assert.equal(refusal(() => limiter.admitTunnel()).code, 'too_many_tunnels');
  for (const one of [request, request, tunnel, tunnel]) one[Symbol.dispose]();
  assert.deepEqual([limiter.running, limiter.tunnels], [0, 0]);
  limiter.admitRequest();
});

test('RequestLimiter: traffic above its bound holds back new requests until it is paid off', () => {
  const { limiter, clock } = limiterOf({ trafficBytesPerSecond: 1_000, trafficBurstBytes: 10_000 });
  limiter.addTraffic(15_000);
  const refused = refusal(() => limiter.admitRequest());
  assert.deepEqual([refused.code, refused.headers['retry-after']], ['too_much_traffic', '5']);
  clock.advance(4_999);
  refusal(() => limiter.admitRequest());
  clock.advance(1);
  limiter.admitRequest();
});

test('RequestLimiter: a drain lets nothing in, and tells when the last has gone', () => {
  const { limiter } = limiterOf({});
  const request = limiter.admitRequest();
  limiter.draining = true;
  assert.deepEqual([refusal(() => limiter.admitRequest()).code, refusal(() => limiter.admitTunnel()).status], ['draining', 503]);
  let idle = 0;
  limiter.onIdle(() => (idle += 1));
  assert.equal(idle, 0);
  request[Symbol.dispose]();
  assert.equal(idle, 1);
});

test('limitsOfPrincipal: a bundle sets what it names and nothing else', () => {
  const own = limitsOfPrincipal(PROXY_LIMITS, { requests_per_second: 7, tunnel_idle_seconds: 3 });
  assert.deepEqual(own, { ...PROXY_LIMITS, requestsPerSecond: 7, tunnelIdleMilliseconds: 3_000 });
  assert.equal(limitsOfPrincipal(PROXY_LIMITS, undefined), PROXY_LIMITS);
});

test('limits, race: of a hundred requests at the last units exactly those units are let in', async () => {
  // So slow that at most one is given back for each second that the test takes.
  await using fixture = await ProxyFixture.start({ bundle: { header: { limits: { requests_per_second: 1, requests_burst: 1 } } } });
  await fixture.configure({ header: { limits: { requests_per_second: 1, requests_burst: 7, concurrent_requests: 10_000 } } });
  const started = performance.now();
  const statuses = await Promise.all(Array.from({ length: 100 }, async () => (await fixture.request('GET', '/v1/identity')).status));
  const givenBack = Math.ceil((performance.now() - started) / 1_000);
  const passed = statuses.filter((status) => status === 200).length;
  assert.ok(passed >= 7 && passed <= 7 + givenBack, `${passed} of 100 passed a burst of 7 at 1/s in ${givenBack} s`);
  assert.ok(statuses.every((status) => status === 200 || status === 429));
});
