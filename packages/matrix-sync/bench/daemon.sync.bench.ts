// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Contest, Measure } from '../../../build/bench/measure.ts';
import { readSyncAnswer } from '../src/sync-answer.ts';
import { SyncedState } from '../src/synced-state.ts';

const ROOMS = 200;
const EVENTS = 30_000;
const ROUNDS = 15;
const TARGET = 4;
const MACHINE = '@machine/bench:bureau.local';

/** The text of a first sync's answer: rooms full of assignments such as people write. */
function answerText(): string {
  const rooms = Array.from({ length: ROOMS }, (_, room) => {
    const events = Array.from({ length: EVENTS / ROOMS }, (_each, at) => ({
      type: 'm.bureau.assignment',
      state_key: `bench/room${room}/agent${at}`,
      sender: '@bureau-admin:bureau.local',
      event_id: `$${`${room}-${at}`.padEnd(43, 'x')}`,
      origin_server_ts: 1_760_000_000_000 + at,
      content: {
        v: 1,
        principal: `bench/room${room}/agent${at}`,
        template: 'default',
        command: ['/bin/sh', '-c', 'echo hello; exec sleep 1000'],
        environment: { LANG: 'C.UTF-8' },
        generation: at,
      },
      unsigned: { age: 1_000 },
    }));
    return [`!${`bench${room}`.padEnd(43, 'x')}`, { state_after: { events }, timeline: { events: [], limited: false, prev_batch: 's1' } }];
  });
  return JSON.stringify({ next_batch: 's2', rooms: { join: Object.fromEntries(rooms) as unknown } });
}

function fault(what: string, error: unknown): void {
  throw new Error(what, { cause: error });
}

/** Parses, judges, takes and saves a whole answer, as a first sync does; milliseconds. */
function applyAnswer(text: string, path: string): number {
  const state = new SyncedState(path, fault);
  const began = performance.now();
  const news = readSyncAnswer(JSON.parse(text), MACHINE);
  state.keepOnly(news.rooms.map(({ room }) => room));
  for (const { room, state: events } of news.rooms) state.take(room, events, { whole: true });
  state.save(news.position);
  const took = performance.now() - began;
  state.close();
  return took;
}

/** From the file to state that can be read, as a start of the daemon does; milliseconds. */
function startFrom(path: string): number {
  const began = performance.now();
  const state = new SyncedState(path, fault);
  const took = performance.now() - began;
  state.close();
  return took;
}

function contest(ours: (text: string, directory: string, round: number) => number): Promise<Contest> {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-bench-sync-'));
  const text = answerText();
  let round = 0;
  applyAnswer(text, `${directory}/kept.sqlite`);
  return Promise.resolve({
    ours: () => Promise.resolve(ours(text, directory, (round += 1))),
    baseline: () => {
      const began = performance.now();
      JSON.parse(text);
      return Promise.resolve(performance.now() - began);
    },
    close: () => Promise.resolve(rmSync(directory, { recursive: true })),
  });
}

const holds = (ours: number, baseline: number): boolean => ours <= TARGET * baseline;

export const measures: readonly Measure[] = [
  {
    name: `a start from ${ROOMS} rooms, ${EVENTS.toLocaleString('en-US')} events on disk, against JSON.parse of them (ms)`,
    target: `<= ${TARGET}x`,
    rounds: ROUNDS,
    prepare: () => contest((_text, directory) => startFrom(`${directory}/kept.sqlite`)),
    holds,
  },
  {
    name: `a first sync of them parsed, judged, applied and saved, against JSON.parse of it (ms)`,
    target: `<= ${TARGET}x`,
    rounds: ROUNDS,
    prepare: () => contest((text, directory, round) => applyAnswer(text, `${directory}/${round}.sqlite`)),
    holds,
  },
];
