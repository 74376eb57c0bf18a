// SPDX-License-Identifier: Apache-2.0

/** What goes wrong right now; each is a probability from 0 (never) to 1, or a switch. All are off when the world is quiet. */
export interface Weather {
  /** The launcher fails a start, a stop, a rotation. */
  launcherFails: number;
  /** A reply of the launcher takes longer than its caller waits. */
  repliesStall: number;
  /** The watch tells a change twice. */
  watchRepeats: number;
  /** The homeserver does not answer. */
  homeserverDown: boolean;
  /** The homeserver takes an event, and its answer is lost. */
  answersLost: number;
  /** A sync brings whole rooms, in any order, instead of what is new. */
  syncGaps: number;
  /** A relay cannot be reached when its agent is to be asked how it is. */
  probesLost: number;
  /** The daemon's disk takes nothing. */
  diskFull: boolean;
}

/** Nothing goes wrong. */
export function calm(): Weather {
  return {
    launcherFails: 0,
    repliesStall: 0,
    watchRepeats: 0,
    homeserverDown: false,
    answersLost: 0,
    syncGaps: 0,
    probesLost: 0,
    diskFull: false,
  };
}

/**
 * Things that are wrong in the world itself: with one of these on, the simulator must find a violation, or it would find none of that
 * kind at all. Tests switch them on; nothing else does.
 */
export const MUTATIONS = {
  'a new launcher does not find what runs': 'one instance',
  'the launcher is given the bundle of another principal': 'secrets in place',
  'a status quotes a bundle': 'secrets in place',
  'ended sandboxes are not listed, and the disk forgets': 'completed stays completed',
  'an assignment that says "stopped" is read as "running"': 'ends what is not wanted',
  'rooms that were read at an older position are believed': 'ends only what is not wanted',
  'a stop by a command is not written down': 'ends what is not wanted',
  'a health check that could not be made counts as failed': 'ends only what is not wanted',
  'agents that are not well say that they are': 'ends what is not wanted',
  'nobody is asked how they are': 'converges',
  'the watch does not tell ends': 'converges',
  'each reading of the rooms has new event ids': 'empty plan',
  'a status leaves one principal out': 'nothing forgotten',
  'people are told by each daemon anew': 'one notification',
} as const;
export type Mutation = keyof typeof MUTATIONS;
