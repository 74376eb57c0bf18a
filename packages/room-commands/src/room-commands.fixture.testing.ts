// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { parseRoomId, parseUserId, type Clock, type Timer } from '@bureau/core';
import type { Logger } from '@bureau/log';
import type { TimelineEvent } from '@bureau/matrix-sync';
import { COMMAND_RESULT, readEvent } from '@bureau/protocol';
import type { CommandHandlers } from './commands.ts';
import { CommandLedger } from './ledger.ts';
import { RoomCommands } from './room-commands.ts';
import type { SenderRights } from './sender-rights.ts';

export const MACHINE = parseUserId('@machine/one:bureau.test');
export const CONFIG_ROOM = parseRoomId('!config:bureau.test');
export const OPERATOR = '@bureau-admin:bureau.test';
const OPERATOR_RIGHTS: SenderRights = { whenSent: { power: 100, joined: true }, now: { power: 'unlimited', joined: true } };
export const START = 1_700_000_000_000;

/** Time that passes when the test says so. */
class HandClock implements Clock {
  at = 0;
  readonly #timers = new Set<{ due: number; run: () => void }>();
  now = (): number => START + this.at;
  monotonic = (): number => this.at;

  setTimer(milliseconds: number, callback: () => void): Timer {
    const timer = { due: this.at + milliseconds, run: callback };
    this.#timers.add(timer);
    return { clear: () => void this.#timers.delete(timer) };
  }

  advance(milliseconds: number): void {
    this.at += milliseconds;
    for (const timer of [...this.#timers]) {
      if (timer.due > this.at) continue;
      this.#timers.delete(timer);
      timer.run();
    }
  }
}

export interface Answer {
  readonly event: string;
  readonly status: string;
  readonly code: string | undefined;
  readonly body: string;
}

/** Lets everything that is under way have its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
}

/** A machine's commands with real disk and nothing else of it; what they would do is counted. */
export function machine(context: TestContext, directory = mkdtempSync(join(tmpdir(), 'bureau-commands-'))) {
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const clock = new HandClock();
  const done: string[] = [];
  const answers: Answer[] = [];
  const audited: { who: string; what: string; result: string; reason?: string }[] = [];
  const posted = new Set<string>();
  const state = {
    rights: new Map<string, SenderRights | Error>([[OPERATOR, OPERATOR_RIGHTS]]),
    /** What `agent.restart` waits for. */
    gate: undefined as Promise<void> | undefined,
  };
  const look = (name: string) => (): { body: string } => {
    done.push(name);
    return { body: `${name} done` };
  };
  const handlers: CommandHandlers = {
    'machine.status': look('machine.status'),
    'machine.plan': look('machine.plan'),
    'agent.list': look('agent.list'),
    'agent.show': look('agent.show'),
    'agent.stop': ({ principal }, _signal, sender) => {
      done.push(`stop ${principal} for ${sender}`);
      return { body: 'stopped' };
    },
    'agent.start': look('agent.start'),
    'agent.restart': async ({ principal }) => {
      done.push(`restart ${principal}`);
      await state.gate;
      return { body: 'restarted' };
    },
    'agent.signal': look('agent.signal'),
  };
  const ledger = new CommandLedger(join(directory, 'commands.sqlite'), (what, error) => {
    throw new Error(what, { cause: error });
  });
  const commands = new RoomCommands({
    clock,
    logger: auditLogger(audited),
    machine: MACHINE,
    configRoom: CONFIG_ROOM,
    ledger,
    rights: async (_event, sender) => {
      const rights = state.rights.get(sender) ?? { whenSent: { power: 0, joined: true }, now: { power: 0, joined: true } };
      if (rights instanceof Error) throw rights;
      return rights;
    },
    handlers,
    post: (content, key) => {
      const reading = readEvent(COMMAND_RESULT, content);
      if (!reading.ok) throw new Error(`posted what is no result: ${reading.message}`);
      if (posted.has(key)) return;
      posted.add(key);
      const { status, code, body } = reading.content;
      const relation = content['m.relates_to'] as { event_id: string };
      answers.push({ event: relation.event_id, status, code, body });
    },
  });
  context.after(() => commands.stop());
  return { clock, done, answers, audited, state, commands, directory };
}

/** A command as an operator sends it. */
export function command(
  eventId: string,
  more: Partial<TimelineEvent> = {},
  content: Readonly<Record<string, unknown>> = {},
): TimelineEvent {
  return {
    type: 'm.room.message',
    sender: OPERATOR,
    eventId,
    at: START,
    redacts: undefined,
    ...more,
    content: {
      msgtype: 'm.bureau.command',
      body: 'restart it',
      v: 1,
      command: 'agent.restart',
      machine: MACHINE,
      request: `request-${eventId.replaceAll(/[^A-Za-z0-9_-]/g, '')}`,
      parameters: { principal: 'demo/one' },
      ...content,
    },
  };
}

function auditLogger(records: { who: string; what: string; result: string }[]): Logger {
  const write = (fields: { audit?: { who: string; what: string; result: string } }): void => {
    if (fields.audit !== undefined) records.push(fields.audit);
  };
  const logger = {
    level: 'info',
    isLevelEnabled: () => true,
    info: write,
    warn: write,
    error: write,
    debug: write,
    fatal: write,
    trace: write,
  };
  return { ...logger, child: () => logger } as unknown as Logger;
}
