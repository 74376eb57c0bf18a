// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { followRoom } from '@bureau/matrix';
import { integer } from '@bureau/protocol';
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { eventLine, showEvent } from './event-shape.ts';
import { eventType, matchEventType } from './event-type.ts';
import { printable } from './printable.ts';
import { ROOM_HELP, readRoomState, resolveRoom, roomArgument } from './room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession } from './session.ts';

/** Earlier events that may come first: what servers give in one sync. */
const HISTORY_MAX = 100;

/** `bureau matrix watch`. */
export const matrixWatch: AnyOperation = defineOperation({
  name: 'matrix watch',
  summary: 'Show what happens in a room, as it happens',
  description:
    'One line per event; with --json one JSON object per line. When the homeserver is away it waits and goes on where it was, without losing an event. Ends with Ctrl-C, exit code 0.',
  grant: 'matrix/watch',
  input: v.strictObject({
    room: roomArgument,
    type: v.optional(v.pipe(v.array(eventType), v.maxLength(50)), []),
    state: v.optional(v.boolean(), false),
    history: v.optional(integer(0, HISTORY_MAX), 0),
    ...SESSION_ENTRIES,
  }),
  output: v.strictObject({ room_id: v.string(), events: v.number() }),
  fields: {
    room: { help: ROOM_HELP },
    type: { help: 'only events of this type, "*" for any characters; repeat it for more', placeholder: 'PATTERN' },
    state: { help: 'only state events' },
    history: { help: `begin with this many earlier events, up to ${HISTORY_MAX}`, placeholder: 'N' },
    ...SESSION_FIELDS,
  },
  positionals: ['room'],
  examples: [
    { command: "bureau matrix watch '#bureau/agents:bureau.local' --history 10", shows: 'what agents say' },
    { command: "bureau matrix watch iree/builds --type 'm.bureau.*' --json | jq .content", shows: 'build events for a program' },
  ],
  ownOutput: true,
  async handler({ room, type: patterns, state, history, ...input }, context) {
    const { signal, clock, output, json } = context;
    const session = await openSession(input, context);
    const roomId = await resolveRoom(session, room, signal);
    await readRoomState(session, roomId, signal);
    const options = { clock, signal, history, onTrouble: (line: string): void => context.progress(printable(line)) };
    let events = 0;
    for await (const event of followRoom(session.client, roomId, { ...options, ...(patterns.length === 0 ? {} : { types: patterns }) })) {
      // The homeserver filters too; one that takes patterns otherwise must not change what is shown.
      if (patterns.length > 0 && !patterns.some((pattern) => matchEventType(pattern, event.type))) continue;
      if (state && event.state_key === undefined) continue;
      const shown = showEvent(event);
      events += 1;
      // A reader that is slow holds the watching, not our memory.
      if (!output.write(`${json ? JSON.stringify(shown) : eventLine(shown)}\n`)) await drained(output, signal);
    }
    return { room_id: roomId, events };
  },
});

async function drained(output: Writable, signal: AbortSignal): Promise<void> {
  try {
    await once(output, 'drain', { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
