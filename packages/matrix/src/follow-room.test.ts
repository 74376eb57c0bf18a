// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { hasCode, parseRoomId, type Clock } from '@bureau/core';
import { MatrixClient } from './client.ts';
import { followRoom } from './follow-room.ts';
import { FOLLOW_GAP_MAX, FOLLOW_PAGE } from './limits.ts';
import { realClock } from './test-server.ts';

const ROOM = parseRoomId('!r');

interface Answer {
  readonly status?: number;
  readonly body: unknown;
}

function events(...ids: readonly string[]): readonly unknown[] {
  return ids.map((id) => ({ event_id: `$${id}`, type: 'm.room.message', sender: '@a:t', content: { body: id }, origin_server_ts: 1 }));
}

function synced(next: string, ids: readonly string[], more: Readonly<Record<string, unknown>> = {}): Answer {
  return { body: { next_batch: next, rooms: { join: { [ROOM]: { timeline: { events: events(...ids), ...more } } } } } };
}

describe('followRoom against a server that is told what to say', () => {
  let server: Server;
  let asked: URL[];
  let syncs: Answer[];
  let pages: (url: URL) => Answer;
  let client: MatrixClient;
  let pauses: number[];
  let notes: string[];
  let ender: AbortController;
  /** Pauses pass at once and are written down; deadlines of requests never come. */
  const clock: Clock = {
    ...realClock,
    setTimer(milliseconds, callback) {
      pauses.push(milliseconds);
      return realClock.setTimer(0, callback);
    },
  };

  beforeEach(async () => {
    [asked, syncs, pauses, notes, ender] = [[], [], [], [], new AbortController()];
    pages = () => ({ status: 500, body: {} });
    server = createServer((request, response) => {
      const url = new URL(request.url ?? '', 'http://x');
      asked.push(url);
      const answer = url.pathname.endsWith('/sync') ? syncs.shift() : pages(url);
      // Nothing more to say: it hangs, as a server without news does.
      if (answer === undefined) return;
      response.writeHead(answer.status ?? 200, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    client = new MatrixClient({
      homeserverUrl: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
      clock: realClock,
      token: 't',
    });
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  /** The bodies of what comes until there are `count`. */
  async function follow(count: number, history = 0): Promise<string[]> {
    const found: string[] = [];
    for await (const event of followRoom(client, ROOM, {
      clock,
      signal: ender.signal,
      history,
      onTrouble: (line) => void notes.push(line),
    })) {
      found.push(String(event.content['body']));
      if (found.length === count) break;
    }
    return found;
  }

  test('history comes only when asked for, then news in order', async () => {
    syncs = [synced('s1', ['old']), synced('s2', ['a', 'b']), synced('s3', ['c'])];
    assert.deepEqual(await follow(3), ['a', 'b', 'c']);
    assert.deepEqual(
      asked.map((url) => url.searchParams.get('since')),
      [null, 's1', 's2'],
    );
    syncs = [synced('s1', ['old']), synced('s2', ['a'])];
    assert.deepEqual(await follow(2, 1), ['old', 'a']);
  });

  test('no two first syncs ask alike, because servers keep the answers', async () => {
    syncs = [synced('s1', ['x']), synced('s1', ['x'])];
    await follow(1, 1);
    await follow(1, 1);
    assert.notEqual(asked[0]?.searchParams.get('filter'), asked[1]?.searchParams.get('filter'));
  });

  test('failures are waited out, longer each time, from where it was; afterwards the first wait is short again', async () => {
    const down: Answer = { status: 502, body: 'bad gateway' };
    syncs = [synced('s1', []), ...Array.from({ length: 7 }, () => down), synced('s2', ['a']), down, synced('s3', ['b'])];
    assert.deepEqual(await follow(2), ['a', 'b']);
    assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 1_000]);
    assert.deepEqual(new Set(asked.map((url) => url.searchParams.get('since'))), new Set([null, 's1', 's2']));
    assert.ok(notes.some((line) => /trying again in 30 s/.test(line)) && notes.includes('the homeserver answers again'));
  });

  test('what came between two syncs and did not fit is fetched, oldest first, and not twice', async () => {
    syncs = [synced('s1', []), synced('s2', ['d'], { limited: true, prev_batch: 'p1' })];
    pages = (url) =>
      url.searchParams.get('from') === 'p1'
        ? { body: { start: 'p1', end: 'p2', chunk: events('c', 'b') } }
        : { body: { start: 'p2', chunk: events('a') } };
    assert.deepEqual(await follow(4), ['a', 'b', 'c', 'd']);
    assert.equal(asked.at(-1)?.searchParams.get('to'), 's1');
  });

  test('a page of the gap that fails is asked for again with the whole sync, so that nothing is lost', async () => {
    syncs = [
      synced('s1', []),
      synced('s2', ['b'], { limited: true, prev_batch: 'p1' }),
      synced('s2', ['b'], { limited: true, prev_batch: 'p1' }),
    ];
    let calls = 0;
    pages = () => (++calls === 1 ? { status: 503, body: {} } : { body: { start: 'p1', chunk: events('a') } });
    assert.deepEqual(await follow(2), ['a', 'b']);
    assert.equal(asked.at(-2)?.searchParams.get('since'), 's1');
  });

  test('a gap without an end is cut, and said', async () => {
    syncs = [synced('s1', []), synced('s2', ['last'], { limited: true, prev_batch: 'p' })];
    pages = () => ({ body: { start: 'p', end: 'p', chunk: events(...Array.from({ length: FOLLOW_PAGE }, (_, at) => `e${at}`)) } });
    assert.equal((await follow(FOLLOW_GAP_MAX + 1)).at(-1), 'last');
    assert.match(notes.join(), /the older ones of them are not shown/);
  });

  test('a dead token and a room that we were put out of end it', async () => {
    syncs = [synced('s1', []), { status: 401, body: { errcode: 'M_UNKNOWN_TOKEN', error: 'no' } }];
    await assert.rejects(follow(1), (error) => hasCode(error, 'matrix_unknown_token'));
    syncs = [synced('s1', []), { body: { next_batch: 's2', rooms: { leave: { [ROOM]: {} } } } }];
    await assert.rejects(follow(1), (error) => hasCode(error, 'room_left'));
    assert.deepEqual(pauses, []);
  });

  for (const [when, first] of [
    ['before the first answer', []],
    ['while it waits for news', [synced('s1', [])]],
  ] as const) {
    test(`the signal ends it without an error ${when}`, async () => {
      syncs = [...first];
      const following = follow(1);
      while (asked.length <= first.length) await once(server, 'request');
      ender.abort(new Error('Interrupted'));
      assert.deepEqual(await following, []);
    });
  }

  test('the signal ends it while it waits to try again', async () => {
    syncs = [synced('s1', []), { status: 502, body: {} }];
    const waiting: Clock = {
      ...realClock,
      setTimer() {
        queueMicrotask(() => ender.abort(new Error('Interrupted')));
        return { clear: () => undefined };
      },
    };
    for await (const event of followRoom(client, ROOM, { clock: waiting, signal: ender.signal })) assert.fail(event.event_id);
  });
});
