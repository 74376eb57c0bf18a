// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import type { SandboxInfo } from '@bureau/protocol';
import type { Contest, Measure } from '../../../build/bench/measure.ts';
import { authorizationKey, payloadKey } from '../src/actions.ts';
import { DesiredReader, type Fact, type Facts } from '../src/desired.ts';
import type { Memory } from '../src/memory.ts';
import type { PlanInput } from '../src/plan-input.ts';
import { plan } from '../src/plan.ts';

const ASSIGNMENTS = 1_000;
const ROUNDS = 30;
const RECONCILE_MILLISECONDS = 10;
const PLAN_MILLISECONDS = 50;
const NOW = 1_800_000_000_000;

/** Rooms with so many agents; `generation` makes every one another. */
function rooms(generation: number): Facts {
  const fact = (stateKey: string, content: object): Fact => ({ stateKey, eventId: `$${stateKey}-${generation}`, content });
  const names = Array.from({ length: ASSIGNMENTS }, (_, at) => `bench/team${at % 20}/agent${at}`);
  return {
    assignments: names.map((principal) =>
      fact(principal, { v: 1, principal, command: ['/bin/sh', '-c', 'exec sleep 1000'], environment: { LANG: 'C.UTF-8' }, generation }),
    ),
    credentials: names.map((principal) => fact(principal, { v: 1, principal, bundle: Buffer.alloc(700).toString('base64') })),
    templates: [fact('default', { v: 1, description: 'bench' })],
  };
}

/** What the launcher has and the daemon remembers when everything is as these rooms want it. */
function settled(facts: Facts): Pick<PlanInput, 'observed' | 'memory' | 'runs' | 'now'> {
  const nothing = { observed: [], memory: new Map(), runs: new Set<string>(), now: NOW };
  const memory = new Map<PrincipalName, Memory>();
  const observed: SandboxInfo[] = [];
  for (const action of plan({ ...nothing, desired: new DesiredReader().read(facts) }).actions) {
    if (action.action !== 'create') throw new Error(`Expected creates alone, found "${action.action}": ${action.reason}`);
    const { principal, id, spec, authorization, bundleEvent } = action;
    const relaySocket = `/run/bureau/.p/${observed.length}/relay/relay.sock`;
    observed.push({ principal, number: observed.length, id, state: 'running', startedAt: NOW, proxyRestarts: 0, relaySocket });
    const fed = bundleEvent === undefined ? {} : { fed: bundleEvent };
    memory.set(principal, { ...fed, authorized: authorizationKey(authorization), told: payloadKey(id, spec) });
  }
  return { ...nothing, observed, memory };
}

/** Reads the rooms and plans, as each round of the daemon does; checks that there are so many actions. */
function round(reader: DesiredReader, facts: Facts, rest: ReturnType<typeof settled>, actions: number): number {
  const began = performance.now();
  const result = plan({ ...rest, desired: reader.read(facts) });
  const took = performance.now() - began;
  if (result.actions.length !== actions) throw new Error(`Expected ${actions} actions, found ${result.actions.length}`);
  return took;
}

/** The same events through JSON alone: what merely looking at all of them costs. */
function looked(facts: Facts): number {
  const text = JSON.stringify(facts);
  const began = performance.now();
  JSON.parse(text);
  return performance.now() - began;
}

function contest(ours: () => number, facts: Facts): Promise<Contest> {
  return Promise.resolve({
    ours: () => Promise.resolve(ours()),
    baseline: () => Promise.resolve(looked(facts)),
    close: () => Promise.resolve(),
  });
}

export const measures: readonly Measure[] = [
  {
    name: `${ASSIGNMENTS} assignments and nothing to do: one reconcile, against JSON.parse of them (ms)`,
    target: `<= ${RECONCILE_MILLISECONDS} ms`,
    rounds: ROUNDS,
    prepare: () => {
      const facts = rooms(0);
      const rest = settled(facts);
      const reader = new DesiredReader();
      reader.read(facts);
      return contest(() => round(reader, facts, rest, 0), facts);
    },
    holds: (ours) => ours <= RECONCILE_MILLISECONDS,
  },
  {
    name: `${ASSIGNMENTS} assignments of which every one has changed: one reconcile, against JSON.parse of them (ms)`,
    target: `<= ${PLAN_MILLISECONDS} ms`,
    rounds: ROUNDS,
    prepare: () => {
      const rest = settled(rooms(0));
      const reader = new DesiredReader();
      let generation = 0;
      // Events that no round has seen before, since what was read once may be remembered.
      return contest(() => round(reader, rooms((generation += 1)), rest, ASSIGNMENTS), rooms(1));
    },
    holds: (ours) => ours <= PLAN_MILLISECONDS,
  },
];
