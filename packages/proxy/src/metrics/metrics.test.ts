// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccessRecord } from '../access-log.ts';
import { ProxyFixture } from '../testing/proxy-fixture.ts';
import { Metrics } from './metrics.ts';

const GAUGES = {
  connections: 1,
  running: 2,
  tunnels: 3,
  refusedConnections: 4,
  limited: 5,
  lostLines: 6,
  eventsSent: 7,
  eventsFailed: 8,
  eventsDropped: 9,
};
const RECORD: AccessRecord = { service: 'api', method: 'GET', path: '/', status: 200, milliseconds: 3, bytesIn: 5, bytes: 7, traceId: '' };
const nothing = { write: (): void => undefined, close: (): void => undefined };

/** Every line is a comment or a sample, as the text format has it. */
function samples(text: string): Map<string, number> {
  const found = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('# '))
    .map((line) => {
      const [, name, value] = /^([a-z_]+(?:\{(?:[a-z]+="(?:[^"\\\n]|\\.)*",?)+\})?) ([0-9.e+-]+)$/.exec(line) ?? assert.fail(line);
      return [name ?? '', Number(value)] as const;
    });
  assert.equal(new Set(found.map(([name]) => name)).size, found.length, 'each sample once');
  return new Map(found);
}

test('Metrics counts what it passes on', () => {
  const passed: AccessRecord[] = [];
  const metrics = new Metrics({ ...nothing, write: (_principal, record) => passed.push(record) }, 100);
  metrics.write('probe/one', RECORD);
  metrics.write('probe/one', { ...RECORD, milliseconds: 400_000 });
  metrics.write('probe/one', { ...RECORD, method: 'X"\n{', status: 403, code: 'no_such_path' });
  const found = samples(metrics.text(GAUGES));
  assert.equal(found.get('bureau_proxy_requests_total{service="api",method="GET",status="200"}'), 2);
  assert.equal(found.get('bureau_proxy_requests_total{service="api",method="other",status="403"}'), 1);
  assert.equal(found.get('bureau_proxy_problems_total{service="api",code="no_such_path"}'), 1);
  assert.equal(found.get('bureau_proxy_bytes_total{service="api",direction="in"}'), 15);
  assert.equal(found.get('bureau_proxy_request_seconds_bucket{service="api",le="0.005"}'), 2);
  assert.equal(found.get('bureau_proxy_request_seconds_bucket{service="api",le="300"}'), 2);
  assert.equal(found.get('bureau_proxy_request_seconds_bucket{service="api",le="+Inf"}'), 3);
  assert.equal(found.get('bureau_proxy_request_seconds_count{service="api"}'), 3);
  assert.equal(found.get('bureau_proxy_tunnels'), 3);
  assert.equal(passed.length, 3);
});

test('Metrics: labels that somebody else chooses are bounded in number', () => {
  const metrics = new Metrics(nothing, 10);
  for (let index = 0; index < 1_000; index += 1)
    metrics.write('probe/one', { ...RECORD, service: `s${index}`, status: 100 + index, code: `c${index}` });
  const text = metrics.text(GAUGES);
  assert.ok(text.split('\n').length < 300, `${text.split('\n').length} lines`);
  assert.equal(samples(text).get('bureau_proxy_requests_total{service="other",method="other",status="other"}'), 990);
});

test('the admin socket tells stats and metrics, and nothing else does', async () => {
  await using fixture = await ProxyFixture.start();
  await fixture.request('GET', '/v1/identity');
  await fixture.request('GET', '/nothing');
  const admin = await fixture.admin();
  const stats = await admin.call('stats', {});
  assert.deepEqual([stats.requests, stats.running, stats.tunnels, stats.connections, stats.lostLines], [2, 0, 0, 1, 0]);
  assert.ok(stats.memoryBytes > 1_000_000 && stats.bytesOut > 50);
  const { text } = await admin.call('metrics', {});
  assert.equal(samples(text).get('bureau_proxy_problems_total{service="-",code="no_such_path"}'), 1);
  for (const path of ['/metrics', '/v1/metrics', '/v1/admin/stats']) assert.equal((await fixture.request('GET', path)).status, 404);
});

test('a person’s call is marked once, and only when it was announced', async () => {
  await using fixture = await ProxyFixture.start();
  const traceId = 'ab'.repeat(16);
  const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
  await fixture.request('GET', '/v1/identity', { headers });
  await (await fixture.admin()).call('announceCall', { traceId });
  await fixture.request('GET', '/v1/identity');
  await fixture.request('GET', '/v1/identity', { headers });
  await fixture.request('GET', '/v1/identity', { headers });
  assert.deepEqual(
    fixture.accessLines().map((line) => line['operator']),
    [undefined, undefined, true, undefined],
  );
});

test('drain: what runs ends, nothing new begins, connections close', async () => {
  await using fixture = await ProxyFixture.start();
  let release = (): void => undefined;
  const arrived = new Promise<void>((resolve) => {
    fixture.homeserver.script = () =>
      new Promise((answer) => {
        release = () => answer(false);
        resolve();
      });
  });
  const running = fixture.send('!room:test.local', { body: 'x' });
  await arrived;
  const admin = await fixture.admin();
  assert.deepEqual(await admin.call('drain', { milliseconds: 0 }), { running: 1, tunnels: 0 });
  const refused = await fixture.request('GET', '/v1/identity');
  assert.deepEqual([refused.status, refused.json['code'], refused.headers.connection], [503, 'draining', 'close']);
  const drained = admin.call('drain', { milliseconds: 10_000 });
  release();
  assert.deepEqual([(await running).status, (await running).headers.connection], [200, 'close']);
  assert.deepEqual(await drained, { running: 0, tunnels: 0 });
});

test('authorize: judged from the next call on; another principal is refused', async () => {
  await using fixture = await ProxyFixture.start();
  const admin = await fixture.admin();
  const authorization = { grants: [], denials: [] };
  assert.equal((await fixture.send('!room:test.local', { body: 'x' })).status, 200, 'the control');
  await assert.rejects(admin.call('authorize', { principal: 'probe/two' as never, authorization }), { code: 'principal_mismatch' });
  await admin.call('authorize', { principal: 'probe/one' as never, authorization });
  const refused = await fixture.send('!room:test.local', { body: 'x' });
  assert.deepEqual([refused.status, refused.json['code']], [403, 'not_granted']);
});
