// SPDX-License-Identifier: Apache-2.0
// Fifteen minutes of real time: a stream of events that no hidden limit ends, and one that is silent for six minutes.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startStand, type Stand } from '@bureau/testkit';
import { EventApi } from '../proxy-stand/event-api.testing.ts';

const AGENT = 'soak/one';
const KEY = 'sk-soak-key-0001';
const STREAM_SECONDS = 900;
const SILENCE_SECONDS = 360;
const MARGIN_MILLISECONDS = 120_000;

let stand: Stand;
let api: EventApi;
let work: string;
before(async () => {
  work = mkdtempSync(join(tmpdir(), 'bureau-soak-'));
  api = await EventApi.start(KEY);
  stand = await startStand({ demo: false });
  const upstreams = { model: { url: api.url, inject: [{ secret: 'MODEL_KEY', header: 'X-Api-Key' }] } };
  writeFileSync(join(work, 'services.json'), JSON.stringify({ upstreams }));
  for (const agent of [AGENT, `${AGENT}b`]) {
    const words = ['credential', 'provision', agent, '--services', join(work, 'services.json'), '--secret', 'MODEL_KEY=env:MODEL_KEY'];
    assert.equal((await stand.bureau(words, { env: { MODEL_KEY: KEY } })).code, 0);
  }
});
after(async () => {
  await api[Symbol.asyncDispose]();
  rmSync(work, { recursive: true });
  await stand.end();
});

async function events(agent: string, count: number, every: number): Promise<number> {
  const url = `http://bureau/v1/http/model/events?count=${count}&every=${every}`;
  const { code, stdout, stderr } = await stand.bureau(
    ['run', agent, '--no-tty', '--', 'curl', '-sSN', '--unix-socket', '/proxy.sock', url],
    {
      timeoutMilliseconds: count * every + MARGIN_MILLISECONDS,
    },
  );
  assert.equal(code, 0, stderr);
  // The API says it back with every event.
  assert.ok(!`${stdout}${stderr}`.includes(KEY), 'the key came with an event');
  return stdout.split('data: tick').length - 1;
}

test('a stream of fifteen minutes has every event; one with silences of six minutes too', async () => {
  const [often, seldom] = await Promise.all([
    events(AGENT, STREAM_SECONDS, 1_000),
    events(`${AGENT}b`, Math.floor(STREAM_SECONDS / SILENCE_SECONDS), SILENCE_SECONDS * 1_000),
  ]);
  assert.deepEqual([often, seldom], [STREAM_SECONDS, 2]);
  assert.deepEqual(new Set(api.keys), new Set([KEY]), 'the upstream had it');
  for (const agent of [AGENT, `${AGENT}b`]) {
    const search = `grep -r -a -l -s -D skip -e '${KEY.slice(0, -1)}[1]' --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev / /proc/[0-9]*/environ /proc/[0-9]*/cmdline; echo searched`;
    const { stdout } = await stand.bureau(['run', agent, '--no-tty', '--', 'sh', '-c', search], {
      timeoutMilliseconds: MARGIN_MILLISECONDS,
    });
    assert.equal(stdout.trim(), 'searched');
  }
});
