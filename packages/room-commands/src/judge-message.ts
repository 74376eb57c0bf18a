// SPDX-License-Identifier: Apache-2.0
import type { UserId } from '@bureau/core';
import type { TimelineEvent } from '@bureau/matrix-sync';
import { COMMAND, readEvent } from '@bureau/protocol';
import * as v from 'valibot';
import { COMMANDS, isCommandName, type CommandName } from './commands.ts';
import { COMMAND_AGE_MAX, COMMAND_AHEAD_MAX } from './limits.ts';

/** What becomes of a message. */
export type Judgement =
  /** No command, or nobody's to answer. */
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly request: string; readonly command: string; readonly code: string; readonly message: string }
  | { readonly kind: 'command'; readonly request: string; readonly command: CommandName; readonly parameters: unknown };

/** Longest name of a command that is repeated to people. */
const NAME_MAX = 64;

/**
 * Judges one message of the config room by itself: its shape, its time, its arguments. Who sent it is what the homeserver says; nothing
 * in the content says so. Edits are no commands: what was sent first is what was meant. Pure.
 */
export function judgeMessage({ content, at }: TimelineEvent, machine: UserId, now: number): Judgement {
  if (content['msgtype'] !== 'm.bureau.command' || isReplacement(content)) return { kind: 'none' };
  const request = content['request'];
  const command = content['command'];
  // Without an ID of its form there is nothing to answer to.
  if (typeof request !== 'string' || !v.is(COMMAND.schema.entries.request, request)) return { kind: 'none' };
  const named = typeof command === 'string' ? command.slice(0, NAME_MAX) : '?';
  const refuse = (code: string, message: string): Judgement => ({ kind: 'refused', request, command: named, code, message });

  const reading = readEvent(COMMAND, content);
  if (!reading.ok)
    return refuse(
      reading.fault === 'newer' ? 'command_newer' : 'command_malformed',
      `This is no command that can be read: ${reading.message}`,
    );
  if (reading.content.machine !== machine)
    return refuse('wrong_machine', `This is the room of ${machine}; send it to the room of the machine that is meant`);
  if (now - at > COMMAND_AGE_MAX)
    return refuse('command_old', `It was sent more than ${COMMAND_AGE_MAX / 60_000} minutes ago; send it again if it is still meant`);
  if (at - now > COMMAND_AHEAD_MAX)
    return refuse('command_ahead', 'Its time is in the future: the clock of the homeserver or of this machine is wrong');
  const name = reading.content.command;
  if (!isCommandName(name))
    return refuse('command_unknown', `There is no command ${named}; there are: ${Object.keys(COMMANDS).join(', ')}`);
  const parsed = v.safeParse(COMMANDS[name].parameters, reading.content.parameters);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    return refuse('parameters_malformed', `Cannot carry out ${name}: ${v.getDotPath(issue) ?? 'parameters'}: ${issue.message}`);
  }
  return { kind: 'command', request, command: name, parameters: parsed.output };
}

function isReplacement(content: Readonly<Record<string, unknown>>): boolean {
  const relation = content['m.relates_to'];
  return typeof relation === 'object' && relation !== null && (relation as { rel_type?: unknown }).rel_type === 'm.replace';
}
