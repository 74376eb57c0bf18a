// SPDX-License-Identifier: Apache-2.0
import type { RoomId } from '@bureau/core';
import { matchesContent, type StartCondition } from '@bureau/protocol';

/** One state event of any room, or why there is none to be seen. */
export type RoomLook =
  | { readonly seen: 'event'; readonly sender: string; readonly eventId: string; readonly content: unknown }
  | { readonly seen: 'nothing' | 'not a member' };

/** Looks at the state of a room as the last sync left it. */
export type LookIntoRoom = (room: RoomId, type: string, stateKey: string) => RoomLook;

/** Whether a start condition holds; `trigger`: the content of the event that makes it hold. */
export type ConditionFinding =
  | { readonly holds: true; readonly trigger: Readonly<Record<string, unknown>> }
  | { readonly holds: false; readonly why: string };

/** Judges a condition by what the room says now: what changed while nobody looked counts like any other change. Pure. */
export function judgeCondition(condition: StartCondition, look: RoomLook): ConditionFinding {
  const { room, alias, type, stateKey, sender, match } = condition;
  const where = `${type}${stateKey === '' ? '' : ` "${stateKey}"`} in ${alias === undefined ? room : `${alias} (${room})`}`;
  const no = (why: string): ConditionFinding => ({ holds: false, why: `it starts when ${where} is as it wants: ${why}` });
  if (look.seen === 'not a member') return no('this machine is not in that room; invite it');
  if (look.seen !== 'event' || !isContent(look.content)) return no('there is no such event');
  if (sender !== undefined && look.sender !== sender) return no(`it was sent by ${look.sender.slice(0, 255)}, not by ${sender}`);
  const wrong = Object.entries(match).find(([field, wanted]) => !matchesContent({ [field]: wanted }, look.content));
  if (wrong !== undefined) return no(`"${wrong[0]}" does not match ${JSON.stringify(wrong[1]).slice(0, 200)}`);
  return { holds: true, trigger: look.content };
}

/** An empty content is how Matrix state is taken back. */
function isContent(content: unknown): content is Readonly<Record<string, unknown>> {
  return typeof content === 'object' && content !== null && !Array.isArray(content) && Object.keys(content).length > 0;
}
