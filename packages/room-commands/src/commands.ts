// SPDX-License-Identifier: Apache-2.0
import { principalName, signalName } from '@bureau/protocol';
import * as v from 'valibot';

/** Who only looks. */
const LOOK = 50;
/** Who changes what runs: the operators' own level. */
const CHANGE = 100;

const nothing = v.strictObject({});
const onePrincipal = v.strictObject({ principal: principalName });

/**
 * Every command that a machine takes in its config room: the power level that its sender needs there, why, and what it is given.
 * What is to run is said by state events (assignments), which the machine may not write: no command changes it. A command may keep the
 * machine from following one, until its generation is raised.
 */
export const COMMANDS = {
  'machine.status': { level: LOOK, reason: 'tells what runs, as the room’s own state does', parameters: nothing },
  'machine.plan': { level: LOOK, reason: 'tells what the machine would do; does nothing', parameters: nothing },
  'agent.list': { level: LOOK, reason: 'tells what runs, as the room’s own state does', parameters: nothing },
  'agent.show': { level: LOOK, reason: 'tells of one agent what the room’s own state does', parameters: onePrincipal },
  'agent.stop': { level: CHANGE, reason: 'ends what an agent is at, and keeps it from starting', parameters: onePrincipal },
  'agent.start': { level: CHANGE, reason: 'lets an agent run again that was stopped by a command', parameters: onePrincipal },
  'agent.restart': { level: CHANGE, reason: 'ends what an agent is at', parameters: onePrincipal },
  'agent.signal': {
    level: CHANGE,
    reason: 'may end what an agent is at',
    parameters: v.strictObject({ principal: principalName, signal: signalName }),
  },
} as const satisfies Readonly<Record<string, { level: number; reason: string; parameters: v.GenericSchema }>>;

export type CommandName = keyof typeof COMMANDS;
export type ParametersOf<Name extends CommandName> = v.InferOutput<(typeof COMMANDS)[Name]['parameters']>;

/** What a command answers: words for people, the same for programs. */
export interface CommandAnswer {
  readonly body: string;
  readonly result?: Readonly<Record<string, unknown>>;
}

/** What carries each of them out. Throws what is told to the sender. */
export type CommandHandlers = {
  readonly [Name in CommandName]: (
    parameters: ParametersOf<Name>,
    signal: AbortSignal,
    sender: string,
  ) => Promise<CommandAnswer> | CommandAnswer;
};

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name);
}
