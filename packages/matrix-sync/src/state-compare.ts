// SPDX-License-Identifier: Apache-2.0

/** What names one state event of a room. */
export interface StateRef {
  readonly type: string;
  readonly stateKey: string;
  readonly eventId: string;
}

/**
 * Places (`type`, state key) at which two views of a room's state hold another event, or only one holds any; each with both events,
 * so that a second look tells a lasting difference from an event that was on its way.
 */
export function stateDifferences(ours: Iterable<StateRef>, theirs: Iterable<StateRef>): Set<string> {
  const mine = byPlace(ours);
  const other = byPlace(theirs);
  const places = new Set([...mine.keys(), ...other.keys()]);
  const differing = [...places].filter((place) => mine.get(place) !== other.get(place));
  return new Set(differing.map((place) => JSON.stringify([place, mine.get(place) ?? null, other.get(place) ?? null])));
}

function byPlace(refs: Iterable<StateRef>): Map<string, string> {
  return new Map([...refs].map(({ type, stateKey, eventId }) => [JSON.stringify([type, stateKey]), eventId]));
}
