// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { parseRoomId } from '@bureau/core';
import { CHANGES_BEFORE_FOLD } from './limits.ts';
import { keptOf, readStateEvent, type StateEvent } from './room-event.ts';
import { SyncedState } from './synced-state.ts';
import { ASSIGNMENT, ROOM, assignment, directory } from './testing/scripted-homeserver.ts';

const OTHER = parseRoomId('!other:bureau.test');

function file(context: TestContext): string {
  return `${directory(context)}/sync.sqlite`;
}

function event(key: string, eventId: string, content?: object): StateEvent {
  const read = readStateEvent(assignment(key, eventId, content));
  assert.ok(typeof read !== 'string', String(read));
  return read;
}

function opened(path: string, told: string[] = []): SyncedState {
  return new SyncedState(path, (what) => told.push(what));
}

function saved(path: string, position: string, events: readonly StateEvent[]): void {
  const state = opened(path);
  state.take(ROOM, events, { whole: false });
  state.save(position);
  state.close();
  state.close();
}

/** Position and events, as a start of the daemon finds them. */
function found(path: string, told: string[] = []): { position: string | undefined; events: string[] } {
  const state = opened(path, told);
  const events = [ROOM, OTHER].flatMap((room) => state.facts(room, ASSIGNMENT).map(({ stateKey, eventId }) => `${stateKey} ${eventId}`));
  state.close();
  return { position: state.position, events: events.toSorted() };
}

function sql(path: string, text: string): void {
  const database = new DatabaseSync(path);
  database.exec(text);
  database.close();
}

test('SyncedState goes on from the last save: what was added, replaced and taken away, in every room', (context) => {
  const path = file(context);
  saved(path, 's1', [event('a/one', '$1'), event('a/two', '$2')]);
  const state = opened(path);
  state.take(OTHER, [event('b/one', '$3'), event('b/one', '$4')], { whole: false });
  state.take(ROOM, [event('a/two', '$5'), event('a/three', '$6')], { whole: true });
  state.save('s2');
  state.close();
  assert.deepEqual(found(path), { position: 's2', events: ['a/three $6', 'a/two $5', 'b/one $4'] });
  const later = opened(path);
  later.drop(OTHER);
  later.save('s3');
  later.close();
  assert.deepEqual(found(path), { position: 's3', events: ['a/three $6', 'a/two $5'] });
});

test('SyncedState.keepOnly() leaves nothing of other rooms, on disk as well', (context) => {
  const path = file(context);
  saved(path, 's1', [event('a/one', '$1')]);
  const state = opened(path);
  state.forgetPosition();
  assert.equal(state.keepOnly([OTHER]), true);
  state.take(OTHER, [event('b/one', '$2')], { whole: true });
  state.save('t1');
  state.close();
  assert.deepEqual(found(path), { position: 't1', events: ['b/one $2'] });
});

test('SyncedState writes a room whole after many changes, and reads the same', (context) => {
  const path = file(context);
  saved(path, 's0', [event('a/0', '$0')]);
  const state = opened(path);
  for (let change = 1; change <= CHANGES_BEFORE_FOLD + 10; change += 1) {
    state.take(ROOM, [event('a/0', `$${change}`)], { whole: false });
    state.take(ROOM, [event(`a/${change}`, `$x${change}`)], { whole: false });
    state.save(`s${change}`);
  }
  state.close();
  const rows = new DatabaseSync(path);
  const { count } = rows.prepare('SELECT count(*) AS count FROM change').get() as { count: number };
  rows.close();
  assert.ok(count < CHANGES_BEFORE_FOLD, `${count}`);
  const { position, events } = found(path);
  assert.equal(position, `s${CHANGES_BEFORE_FOLD + 10}`);
  assert.equal(events.length, CHANGES_BEFORE_FOLD + 11);
  assert.ok(events.includes(`a/0 $${CHANGES_BEFORE_FOLD + 10}`));
});

for (const [why, damage] of [
  ['is no database', (path: string) => writeFileSync(path, 'not a database at all, by no means'.repeat(100))],
  ['is cut off', (path: string) => writeFileSync(path, 'SQLite format 3\0')],
  ['holds a room that is no JSON', (path: string) => sql(path, `UPDATE room SET events = '[["m.room'`)],
  ['holds a room of another shape', (path: string) => sql(path, `UPDATE room SET events = '[[1,2,3]]'`)],
  ['holds a room without a name', (path: string) => sql(path, `UPDATE room SET room = 'nobody'`)],
  ['has another table', (path: string) => sql(path, 'DROP TABLE room; CREATE TABLE room (other TEXT)')],
] as const)
  test(`SyncedState moves a file aside that ${why}, tells it, and begins anew`, (context) => {
    const path = file(context);
    saved(path, 's1', [event('a/one', '$1')]);
    damage(path);
    const told: string[] = [];
    assert.deepEqual(found(path, told), { position: undefined, events: [] });
    assert.equal(told.length, 1);
    assert.ok(existsSync(`${path}.damaged`));
    saved(path, 's9', [event('a/one', '$9')]);
    assert.deepEqual(found(path), { position: 's9', events: ['a/one $9'] });
  });

test('SyncedState.save() on a full disk is told once, loses nothing, and is made up for', (context) => {
  const path = file(context);
  saved(path, 's1', [event('a/one', '$1')]);
  const told: string[] = [];
  const state = opened(path, told);
  // A full disk, as SQLite has it: somebody else holds the room that a write would need.
  const holder = new DatabaseSync(path);
  holder.exec('BEGIN IMMEDIATE');
  state.take(ROOM, [event('a/two', '$2')], { whole: false });
  state.save('s2');
  state.take(ROOM, [event('a/three', '$3')], { whole: false });
  state.save('s3');
  assert.equal(told.length, 1);
  holder.exec('ROLLBACK');
  holder.close();
  assert.deepEqual(found(path), { position: 's1', events: ['a/one $1'] }, 'position and state on disk are those of one moment');
  state.save('s4');
  state.close();
  assert.deepEqual(found(path), { position: 's4', events: ['a/one $1', 'a/three $3', 'a/two $2'] });
});

test('SyncedState works from memory while its file cannot be opened, leaves it alone, and writes all when it can be', (context) => {
  const path = file(context);
  // A directory in its place: the one way not to be able to open that also holds for root.
  mkdirSync(path);
  const told: string[] = [];
  const state = opened(path, told);
  state.take(ROOM, [event('a/one', '$1')], { whole: false });
  state.save('s1');
  assert.equal(state.position, 's1');
  assert.equal(told.length, 1);
  assert.equal(existsSync(`${path}.damaged`), false);
  rmdirSync(path);
  state.take(ROOM, [event('a/two', '$2')], { whole: false });
  state.save('s2');
  state.close();
  assert.deepEqual(found(path), { position: 's2', events: ['a/one $1', 'a/two $2'] });
});

test('keptOf() of an event is what its text says', () => {
  const one = event('a/one', '$1', { v: 1, text: 'é\u0000"' });
  assert.deepEqual(JSON.parse(one.text), keptOf(one));
});
