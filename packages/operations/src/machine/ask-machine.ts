// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { BureauError, sleep, type RoomId, type UserId } from '@bureau/core';
import type { OpenMachineRoom } from '@bureau/matrix';
import { COMMAND_RESULT, readEvent } from '@bureau/protocol';
import type { Session } from '../matrix/session.ts';
import type { OperationContext } from '../registry/context.ts';

const LOOK_MILLISECONDS = 250;
/** A machine answers within a second; one that is being restarted within a minute. */
const ANSWER_MILLISECONDS = 90_000;

/** What a machine answered to a command. */
export interface MachineAnswer {
  /** Of the command. */
  readonly event_id: string;
  readonly status: 'success' | 'error' | 'accepted';
  readonly code: string | null;
  readonly body: string;
  readonly result: Record<string, unknown> | null;
}

/** Sends a command into a machine's config room and waits for the answer in its thread. Throws `deadline_exceeded` when the machine is away. */
export async function askMachine(
  session: Session,
  { roomId, user }: Pick<OpenMachineRoom, 'roomId' | 'user'>,
  asked: { readonly command: string; readonly parameters: Readonly<Record<string, string>> },
  context: OperationContext,
): Promise<MachineAnswer> {
  const request = randomBytes(16).toString('hex');
  const { command, parameters } = asked;
  const body = [command, ...Object.entries(parameters).map((pair) => pair.join('='))].join(' ').slice(0, 2_000);
  const content = { msgtype: 'm.bureau.command', body, v: 1, command, machine: user, request, parameters };
  const { signal } = context;
  const event = await session.client.send(roomId, 'm.room.message', content, `bureau-command-${request}`, { signal });
  return { event_id: event, ...(await answerTo(session, { roomId, user, event, request }, context)) };
}

/** The machine's own answer to this request. Throws `deadline_exceeded` when the machine is away. */
async function answerTo(
  { client }: Session,
  sent: { readonly roomId: RoomId; readonly user: UserId; readonly event: string; readonly request: string },
  { clock, signal }: OperationContext,
): Promise<Omit<MachineAnswer, 'event_id'>> {
  const until = clock.monotonic() + ANSWER_MILLISECONDS;
  for (;;) {
    const { events } = await client.threadMessages(sent.roomId, sent.event, {}, { signal });
    for (const { sender, content } of events) {
      const reading = readEvent(COMMAND_RESULT, content);
      if (sender !== sent.user || !reading.ok || reading.content.request !== sent.request) continue;
      const { status, code, body, result } = reading.content;
      return { status, code: code ?? null, body, result: result === undefined ? null : { ...result } };
    }
    if (clock.monotonic() > until)
      throw new BureauError(
        'deadline_exceeded',
        `${sent.user} has not answered within ${ANSWER_MILLISECONDS / 1_000} s; it may be away (bureau machine list), and carries it out if it is back within 15 minutes`,
        { data: { event: sent.event } },
      );
    await sleep(clock, LOOK_MILLISECONDS, signal);
  }
}
