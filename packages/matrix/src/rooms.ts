// SPDX-License-Identifier: Apache-2.0
import { parseLocalpart, roomAliasOf, userIdOf, type MachineName, type RoomAlias, type ServerName } from '@bureau/core';
import { EVENT_TYPES } from '@bureau/protocol';
import type { PowerRules } from './power-levels.ts';

/** What a room of ours is, before it is made; the one description for set-up, doctor and tests. */
export interface RoomKind {
  /** For a person, and the name of its checks. */
  readonly label: string;
  /** The alias without `#` and server. */
  readonly alias: string;
  readonly name: string;
  readonly topic: string;
  readonly space: boolean;
  readonly powers: PowerRules;
  readonly agents: AgentRule;
}

/** Whether agents may be members, and why. Set-up and doctor take them out of where they may not be. */
export interface AgentRule {
  readonly admitted: boolean;
  readonly reason: string;
}

/** A standard room, with its key in the credential file. */
export interface StandardRoom extends RoomKind {
  readonly credentialKey: string;
}

/** The space that holds the standard rooms. */
export const BUREAU_SPACE: StandardRoom = {
  label: 'space',
  alias: 'bureau',
  name: 'Bureau',
  topic: "Bureau's own rooms",
  space: true,
  credentialKey: 'MATRIX_SPACE_ROOM',
  powers: { events: {} },
  agents: { admitted: true, reason: 'it names rooms, which say themselves who may come in' },
};

const CONVERSATION = { level: 0, reason: 'people and agents talk here' } as const;

/** Of rooms whose content an agent has no business with: who is not in a room reads nothing of it. */
function keptOut(what: string): AgentRule {
  return { admitted: false, reason: `an agent that is taken over would read ${what}` };
}

function letIn(reason: string): AgentRule {
  return { admitted: true, reason };
}

/** The rooms of the space, in the order in which they are made. Nobody but operators may do what is not listed. */
export const STANDARD_ROOMS: readonly StandardRoom[] = [
  standardRoom('agents', 'Agents', 'Where agents and people meet', { messages: CONVERSATION, events: {} }, letIn('it is theirs')),
  standardRoom(
    'system',
    'System',
    'Operational messages; agents are never members',
    {
      messages: { level: 0, reason: 'machines report here; only machines and operators are members' },
      events: {},
    },
    keptOut('what operators and machines tell each other'),
  ),
  standardRoom(
    'machine',
    'Machines',
    'Keys of machines; agents are never members',
    {
      events: {
        [EVENT_TYPES.machineKey]: {
          level: 0,
          reason:
            'each machine publishes its own key under its own user ID, which Matrix lets nobody else write; readers take no other state key',
        },
      },
    },
    keptOut('which machines there are, and could publish a key of its own'),
  ),
  standardRoom(
    'service',
    'Services',
    'Which services there are',
    {
      events: {
        'm.bureau.service': {
          level: 0,
          reason:
            'each service registers itself under its own user ID, which Matrix lets nobody else write; readers take a state key without "@" from operators only',
        },
      },
    },
    letIn('services are principals, and register themselves here'),
  ),
  standardRoom(
    'template',
    'Templates',
    'Sandbox templates',
    { events: {} },
    letIn('templates hold no secret, and only operators write them'),
  ),
  standardRoom(
    'pipeline',
    'Pipelines',
    'Pipeline definitions',
    { events: {} },
    letIn('definitions hold no secret, and only operators write them'),
  ),
  standardRoom('artifact', 'Artifacts', 'Artifact scopes', { events: {} }, letIn('scopes hold no secret, and only operators write them')),
];

/**
 * A machine's level in its config room: above members (an observer who is invited may write nothing), below operators.
 * It opens what `machineConfigRoom` lists and nothing else.
 */
const MACHINE_LEVEL = 25;

/**
 * The config room of one machine, `#machine/<name>`: operators say what runs, the machine says how it is.
 * The machine has level 25, which what it says needs: what it says of itself under its own user ID (Matrix lets nobody else set a state key
 * that starts with `@`), the status of each principal under the principal's name, where readers take the machine's own word only, and
 * messages. No invitations, no assignments, no credentials, no word about labels or what it may take.
 */
export function machineConfigRoom(machine: MachineName, server: ServerName): RoomKind {
  return {
    label: machine,
    alias: machine,
    name: machine,
    topic: `What ${machine} runs; agents are never members`,
    space: false,
    powers: {
      messages: { level: MACHINE_LEVEL, reason: 'the machine tells what happened, once, and answers commands; members only read' },
      events: {
        [EVENT_TYPES.machineKey]: { level: MACHINE_LEVEL, reason: 'the machine publishes the key that bundles are sealed to' },
        [EVENT_TYPES.machineStatus]: { level: MACHINE_LEVEL, reason: 'the machine reports how it is' },
        [EVENT_TYPES.machineInfo]: { level: MACHINE_LEVEL, reason: 'the machine says what it is made of' },
        [EVENT_TYPES.machineLoad]: { level: MACHINE_LEVEL, reason: 'the machine says how busy it is' },
        [EVENT_TYPES.principalStatus]: { level: MACHINE_LEVEL, reason: 'the machine reports how each principal is' },
      },
      users: { [userIdOf(machine, server)]: { level: MACHINE_LEVEL, reason: 'the one machine that this room is about' } },
    },
    agents: keptOut('the sealed keys, the rules and the troubles of every other agent of the machine'),
  };
}

/** The full alias of a room on a server. */
export function aliasOfRoom(kind: RoomKind, server: ServerName): RoomAlias {
  return roomAliasOf(parseLocalpart(kind.alias), server);
}

function standardRoom(word: string, name: string, topic: string, powers: PowerRules, agents: AgentRule): StandardRoom {
  return {
    label: word,
    alias: `bureau/${word}`,
    name: `Bureau ${name}`,
    topic,
    space: false,
    credentialKey: `MATRIX_${word.toUpperCase()}_ROOM`,
    powers,
    agents,
  };
}
