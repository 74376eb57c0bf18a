// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import type { MachineRules } from '@bureau/reconcile';
import type { Chance } from './chance.ts';
import { calm, type Weather } from './faults.ts';
import { isSickly } from './fake-machine.ts';
import { PRINCIPALS, type Deployment, type Wish } from './operators.ts';
import type { World } from './world.ts';

/** One thing that operators or fate do to a world. It draws nothing: a history without its neighbours stays what it was. */
export interface Step {
  /** Milliseconds since the world began. */
  readonly at: number;
  readonly what: string;
  readonly run: (world: World) => void;
}

type Deed = Omit<Step, 'at'>;
/** Makes a step; an operator's is about this principal. */
type Maker = (chance: Chance, principal: PrincipalName) => Deed;

/** Milliseconds in which steps are taken; after it the world is quiet. */
export const BUSY = 45_000;
const STEPS = [3, 12] as const;
/** How often a step follows close on another, and is about the same principal. */
const BURST = 0.6;
/** How often something breaks just when a step is being carried out; half the time the operator then has second thoughts. */
const TROUBLE = 0.45;

/** How often an agent does not stay well. */
const SICKLY = 0.12;

const SERVES: readonly string[] = ['serve'];

/** The steps of a history, in order. */
export function stepsOf(chance: Chance): Step[] {
  const steps: Step[] = [];
  const count = chance.integer(...STEPS);
  let [at, principal] = [0, chance.pick(PRINCIPALS)];
  for (let index = 0; index < count; index += 1) {
    const maker = index === 0 ? deploy : pick(chance, MAKERS);
    steps.push({ at, ...maker(chance, principal) });
    if (chance.happens(TROUBLE)) {
      const later = at + chance.integer(0, 700);
      steps.push({ at: later, ...pick(chance, BREAKS)(chance, principal) });
      if (chance.happens(0.5)) steps.push({ at: later + chance.integer(0, 300), ...takeBack(chance, principal) });
    }
    const isBurst = chance.happens(BURST);
    at = isBurst ? Math.min(BUSY, at + chance.integer(0, 1_500)) : chance.integer(0, BUSY);
    principal = isBurst ? principal : chance.pick(PRINCIPALS);
  }
  return steps.toSorted((one, other) => one.at - other.at);
}

const deploy: Maker = (chance, principal) => {
  const soon = String(chance.integer(100, 15_000));
  const sick = String(chance.happens(0.3) ? 0 : chance.integer(1_000, 20_000));
  const [command, restart] = chance.pick<readonly [readonly string[], Wish['restart']]>([
    [SERVES, 'always'],
    [SERVES, 'on-failure'],
    [['exit', '0', soon], 'never'],
    [['exit', '3', soon], 'never'],
    [['exit', '0', soon], 'on-failure'],
    [['exit', '1', String(chance.integer(100, 3_000))], 'always'],
  ]);
  return deployment(chance, principal, chance.happens(SICKLY) ? ['serve', 'sick', sick] : command, restart);
};

function deployment(chance: Chance, principal: PrincipalName, command: readonly string[], restart: Wish['restart']): Deed {
  const how: Deployment = {
    command,
    restart,
    isGated: chance.happens(0.15),
    ...(chance.happens(0.15) ? { update: 'guarded' } : {}),
    isChecked: isSickly(command) || chance.happens(0.5),
    ...(command[1] === '1' || isSickly(command) ? { quarantineAfter: chance.integer(2, 4) } : {}),
  };
  return {
    what: `deploys ${principal}: ${command.join(' ')}, restart ${restart}${how.isGated ? ', when the gate is open' : ''}${how.update === undefined ? '' : ', guarded'}${how.isChecked === true ? ', checked' : ''}`,
    run: ({ operators }) => operators.deploy(principal, how),
  };
}

/** An edit of one principal's assignment. */
function edit(what: (principal: PrincipalName) => string, change: (chance: Chance) => (wish: Wish) => Partial<Wish>): Maker {
  return (chance, principal) => {
    const changed = change(chance);
    return { what: what(principal), run: ({ operators }) => operators.edit(principal, changed) };
  };
}

/** Something is wrong with the world for a while. */
function weather<Field extends keyof Weather>(field: Field, value: Weather[Field]): Maker {
  return (chance) => {
    const milliseconds = chance.integer(1_000, 20_000);
    return {
      what: `${field} is ${String(value)} for ${milliseconds} ms`,
      run: (world) => {
        world.weather[field] = value;
        world.time.after(milliseconds, () => {
          world.weather[field] = calm()[field];
        });
      },
    };
  };
}

function rule(what: string, rules: MachineRules): Maker {
  return () => ({ what, run: ({ operators }) => operators.ruleMachine(rules) });
}

const takeBack: Maker = (_chance, principal) => ({
  what: `takes the last edit of ${principal} back`,
  run: ({ operators }) => operators.takeBack(principal),
});

const DENIED = { grants: [], denials: [{ actions: ['**'], targets: ['**'] }] };

/** What breaks in a moment: how often each kind is taken, and the kind. */
const BREAKS: readonly (readonly [number, Maker])[] = [
  [9, () => ({ what: 'the daemon is killed', run: ({ daemon }) => daemon?.life.end() })],
  [
    6,
    (chance) => {
      const acts = chance.integer(1, 8);
      return { what: `the daemon is killed before its deed ${acts} from now`, run: ({ daemon }) => daemon?.life.endBefore(acts) };
    },
  ],
  [4, () => ({ what: 'the launcher is killed', run: (world) => world.killLauncher() })],
  [1, () => ({ what: 'the power fails', run: (world) => world.powerCut() })],
  [4, () => ({ what: 'the connection to the launcher is lost', run: (world) => world.loseConnections() })],
];

/** Everything that happens: how often each kind is taken, and the kind. */
const MAKERS: readonly (readonly [number, Maker])[] = [
  [8, deploy],
  [
    3,
    edit(
      (principal) => `stops ${principal}`,
      () => () => ({ desired: 'stopped' }),
    ),
  ],
  [
    3,
    edit(
      (principal) => `starts ${principal}`,
      () => () => ({ desired: 'running' }),
    ),
  ],
  [
    2,
    edit(
      (principal) => `restarts ${principal}`,
      () =>
        ({ generation }) => ({ generation: generation + 1, desired: 'running' }),
    ),
  ],
  [
    3,
    edit(
      (principal) => `changes the environment of ${principal}`,
      () =>
        ({ revision }) => ({ revision: revision + 1 }),
    ),
  ],
  [
    3,
    edit(
      (principal) => `gives ${principal} another task`,
      (chance) => {
        const payload = { task: chance.integer(1, 3) };
        return () => ({ payload });
      },
    ),
  ],
  [
    3,
    edit(
      (principal) => `denies ${principal} everything`,
      () => () => ({ authorization: DENIED }),
    ),
  ],
  [
    2,
    edit(
      (principal) => `grants ${principal} something`,
      () => () => ({ authorization: { grants: [], denials: [] } }),
    ),
  ],
  [
    1,
    edit(
      (principal) => `breaks the assignment of ${principal}`,
      () => () => ({ isBroken: true }),
    ),
  ],
  [
    2,
    edit(
      (principal) => `mends the assignment of ${principal}`,
      () => () => ({ isBroken: false }),
    ),
  ],
  [3, (_chance, principal) => ({ what: `removes ${principal}`, run: (world) => world.remove(principal) })],
  [
    4,
    (chance, principal) => {
      const expired = chance.happens(0.2);
      return {
        what: `provisions ${principal}${expired ? ' with an expired bundle' : ''}`,
        run: ({ operators }) => operators.provision(principal, expired),
      };
    },
  ],
  [
    1,
    edit(
      (principal) => `adds or drops the health check of ${principal}`,
      () =>
        ({ isChecked = false }) => ({ isChecked: !isChecked }),
    ),
  ],
  [2, (_chance, principal) => ({ what: `stops ${principal} by a command`, run: (world) => world.halt(principal, true) })],
  [1, (_chance, principal) => ({ what: `starts ${principal} by a command`, run: (world) => world.halt(principal, false) })],
  [2, takeBack],
  [3, () => ({ what: 'opens the gate', run: ({ operators }) => operators.setGate(true) })],
  [2, () => ({ what: 'closes the gate', run: ({ operators }) => operators.setGate(false) })],
  [2, rule('cordons the machine', { cordoned: true, draining: false })],
  [1, rule('drains the machine', { cordoned: true, draining: true })],
  [3, rule('lets the machine work', { cordoned: false, draining: false })],
  [2, () => ({ what: 'publishes the template anew', run: ({ operators }) => operators.publishTemplate() })],
  [
    1,
    (chance) => {
      const hours = chance.pick([-24, -1, 1, 24]);
      return { what: `the clock is set by ${hours} h`, run: (world) => world.jumpClock(hours * 3_600_000) };
    },
  ],
  [3, weather('launcherFails', 0.5)],
  [2, weather('repliesStall', 0.3)],
  [2, weather('watchRepeats', 0.5)],
  [2, weather('homeserverDown', true)],
  [2, weather('answersLost', 0.5)],
  [2, weather('syncGaps', 0.5)],
  [5, weather('probesLost', 0.9)],
  [2, weather('diskFull', true)],
  ...BREAKS,
];

function pick(chance: Chance, makers: readonly (readonly [number, Maker])[]): Maker {
  let left = chance.integer(
    1,
    makers.reduce((sum, [weight]) => sum + weight, 0),
  );
  for (const [weight, maker] of makers) {
    left -= weight;
    if (left <= 0) return maker;
  }
  return deploy;
}
