// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { BureauError, parseRoomId, type RoomId } from '@bureau/core';
import { DoubtfulRooms } from './doubtful-rooms.ts';
import { RefusedEvents } from './refused-events.ts';
import { SyncedState } from './synced-state.ts';
import { ASSIGNMENT, ROOM, assignment, directory, keepingLogger } from './testing/scripted-homeserver.ts';

const OTHER = parseRoomId('!other:bureau.test');

/** What it reads is what `held` says of a room: events, or what asking for it throws. */
function doubtful(context: TestContext) {
  const held = new Map<RoomId, readonly unknown[] | Error>();
  const [asked, joined]: [RoomId[], RoomId[]] = [[], []];
  const counts = { changes: 0 };
  const logger = keepingLogger();
  const state = new SyncedState(`${directory(context)}/sync.sqlite`, assert.fail);
  const refused = new RefusedEvents(logger);
  const rooms = new DoubtfulRooms({
    link: {
      roomState: async (room) => {
        asked.push(room);
        const answer = held.get(room) ?? [];
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
    state,
    refused,
    invitations: { join: async (room) => void joined.push(room) },
    logger,
    signal: new AbortController().signal,
    rooms: [ROOM],
    followed: new Set([ASSIGNMENT]),
    onChange: () => void (counts.changes += 1),
  });
  context.after(() => state.close());
  const known = (room = ROOM): string[] => state.facts(room, ASSIGNMENT).map(({ eventId }) => eventId);
  return { rooms, held, asked, joined, counts, lines: logger.lines, refused, known };
}

test('DoubtfulRooms.read() takes what each room holds, of followed types, and tells a change once', async (context) => {
  const { rooms, held, asked, counts, lines, refused, known } = doubtful(context);
  held.set(ROOM, [assignment('a/one', '$one'), { ...assignment('', '$name'), type: 'm.room.name' }, 'no event']);
  held.set(OTHER, [assignment('b/one', '$other')]);
  assert.equal(rooms.isAny, false);
  rooms.add([ROOM, OTHER, ROOM]);
  assert.equal(rooms.isAny, true);
  await rooms.read({ live: true });
  assert.deepEqual([asked, known(), known(OTHER)], [[ROOM, OTHER], ['$one'], ['$other']]);
  assert.deepEqual([counts.changes, refused.count, rooms.isAny], [2, 1, false]);

  rooms.add([ROOM]);
  await rooms.read({ live: true });
  assert.equal(counts.changes, 2, 'it is as it seemed');
  held.set(ROOM, []);
  rooms.add([ROOM]);
  await rooms.read({ live: true });
  assert.deepEqual([known(), counts.changes], [[], 3]);
  assert.deepEqual(
    lines.filter((line) => line.startsWith('a room in doubt was read')),
    [`a room in doubt was read: it is other than it seemed ${JSON.stringify({ room: ROOM, events: 1 })}`],
  );
});

test('DoubtfulRooms.read() after the homeserver was away says that it has gone back, where a known room differs', async (context) => {
  const { rooms, held, lines } = doubtful(context);
  const said = (): number => lines.filter((line) => line.includes('restored from an older copy')).length;
  held.set(ROOM, [assignment('a/one', '$one')]);
  rooms.add([ROOM]);
  await rooms.read({ live: false });
  assert.equal(said(), 0, 'nothing was known of it');
  held.set(ROOM, [assignment('a/one', '$two')]);
  rooms.add([ROOM]);
  await rooms.read({ live: false });
  assert.equal(said(), 1);
});

test('DoubtfulRooms.read() leaves a room as it is known that is refused, and joins it where the machine needs it', async (context) => {
  const { rooms, held, joined, known } = doubtful(context);
  held.set(ROOM, [assignment('a/one', '$one')]);
  rooms.add([ROOM]);
  await rooms.read({ live: true });
  const refusal = new BureauError('matrix_refused', 'not in it');
  held.set(ROOM, refusal).set(OTHER, refusal);
  rooms.add([OTHER, ROOM]);
  await rooms.read({ live: true });
  assert.deepEqual([joined, known(), rooms.isAny], [[ROOM], ['$one'], false]);
});

test('DoubtfulRooms.read() throws what else goes wrong, and the room stays in doubt', async (context) => {
  const { rooms, held, asked, known } = doubtful(context);
  held.set(ROOM, new BureauError('homeserver_unreachable', 'away'));
  held.set(OTHER, { not: 'a list' } as never);
  for (const [room, code] of [
    [ROOM, 'homeserver_unreachable'],
    [OTHER, 'homeserver_garbled'],
  ] as const) {
    rooms.add([room]);
    await assert.rejects(rooms.read({ live: true }), { code });
    assert.equal(rooms.isAny, true);
    held.set(room, [assignment('a/one', `$${asked.length}`)]);
    await rooms.read({ live: true });
    assert.deepEqual([known(room), rooms.isAny], [[`$${asked.length - 1}`], false]);
  }
});

test('DoubtfulRooms reads a room once more that comes into doubt while it is read', async (context) => {
  const { rooms, held, asked, known } = doubtful(context);
  held.set(ROOM, [assignment('a/one', '$one')]);
  rooms.add([ROOM]);
  const reading = rooms.read({ live: true });
  // It has been asked for by now: what it holds since then needs another question.
  held.set(ROOM, [assignment('a/one', '$two')]);
  rooms.add([ROOM]);
  await reading;
  assert.deepEqual(known(), ['$two']);
  assert.deepEqual([asked, rooms.isAny], [[ROOM, ROOM], false]);
});

test('DoubtfulRooms.settled() resolves with the next reading, and rejects when that is given up', async (context) => {
  const { rooms } = doubtful(context);
  const settled = rooms.settled();
  assert.equal(rooms.isAny, true, 'somebody waits, although no room is in doubt');
  await rooms.read({ live: true });
  await settled;
  const givenUp = rooms.settled();
  rooms.giveUp(new BureauError('homeserver_unreachable', 'away'));
  await assert.rejects(givenUp, { code: 'homeserver_unreachable' });
  assert.equal(rooms.isAny, false);
});
