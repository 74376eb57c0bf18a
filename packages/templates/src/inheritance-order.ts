// SPDX-License-Identifier: Apache-2.0

/** Who inherits whom, by name; parents that are not there are left out. */
export type Parents = ReadonlyMap<string, readonly string[]>;

/**
 * Every name after all of its parents, as far as there is such an order; the rest stands on a circle or inherits from one. The same for
 * the same map.
 */
export function inheritanceOrder(parents: Parents): { readonly order: readonly string[]; readonly rest: readonly string[] } {
  const waitingFor = new Map([...parents].map(([name, each]) => [name, new Set(each).size]));
  const children = new Map<string, string[]>();
  for (const [name, each] of parents) {
    for (const parent of new Set(each)) children.set(parent, [...(children.get(parent) ?? []), name]);
  }
  const order = [...parents.keys()].filter((name) => waitingFor.get(name) === 0);
  // Grows while it is walked.
  for (const name of order) {
    for (const child of children.get(name) ?? []) {
      const left = (waitingFor.get(child) ?? 0) - 1;
      waitingFor.set(child, left);
      if (left === 0) order.push(child);
    }
  }
  return { order, rest: [...parents.keys()].filter((name) => (waitingFor.get(name) ?? 0) > 0) };
}

/** The circle that one of the `rest` comes to when the first parent that stands on one is followed. It begins anywhere on it. */
export function circleAbove(name: string, parents: Parents, rest: ReadonlySet<string>): readonly string[] {
  const walked: string[] = [];
  let at = name;
  while (!walked.includes(at)) {
    walked.push(at);
    at = parents.get(at)?.find((parent) => rest.has(parent)) ?? at;
  }
  return walked.slice(walked.indexOf(at));
}
