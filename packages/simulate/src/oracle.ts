// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import type { PrincipalName } from '@bureau/core';
import { DEFAULT_AUTHORIZATION, type PrincipalStatus } from '@bureau/protocol';
import type { Payload } from './fake-machine.ts';
import { PRINCIPALS, type Wish } from './operators.ts';
import type { World } from './world.ts';

/** Judges a world that has been quiet for long: everything must be as the rooms say, and nothing left to do. Knows no planner. */
export function judgeQuiet(world: World): void {
  const { judge, daemon, launcher } = world;
  if (daemon === undefined || launcher === undefined) return judge.violated('converges', 'a process did not come back');
  for (const principal of PRINCIPALS)
    judgePrincipal(
      world,
      principal,
      daemon.statuses.find((each) => each.principal === principal),
    );
  judgePlan(world);
  for (const principal of PRINCIPALS) {
    const status = daemon.statuses.find((each) => each.principal === principal);
    const said = status === undefined ? {} : { v: 1, ...status };
    const heard = world.server.published.get(`principal_status ${principal}`) ?? {};
    if ('v' in said !== 'v' in (heard as object) || !(isRestless(world, principal) || isDeepStrictEqual(said, heard)))
      judge.violated('nothing forgotten', `what is said of ${principal} was not published`);
  }
}

function judgePrincipal(world: World, principal: PrincipalName, status: PrincipalStatus | undefined): void {
  const { judge, machine, operators, launcher } = world;
  const payload = machine.of(principal);
  const wish = operators.wish(principal);
  if (wish === undefined) {
    if (payload !== undefined) judge.violated('ends what is not wanted', `${principal} was removed and runs`);
    if (launcher?.list().sandboxes.some((info) => info.principal === principal) === true)
      judge.violated('converges', `${principal} was removed, and the launcher still keeps a sandbox of it`);
    if (status !== undefined) judge.violated('converges', `${principal} was removed, and its status is ${status.state}`);
    return;
  }
  if (status === undefined) return judge.violated('nothing forgotten', `${principal} is assigned and has no status`);
  if (wish.isBroken) {
    if (status.message === undefined) judge.violated('nothing forgotten', `${principal} cannot be read, and nobody is told`);
    return;
  }
  if (wish.desired === 'stopped') {
    if (payload !== undefined) judge.violated('ends what is not wanted', `${principal} is to be stopped and runs`);
    if (status.state !== 'stopped') judge.violated('converges', `${principal} is stopped, and its status is ${status.state}`);
    return;
  }
  if (isDone(world, principal, wish)) {
    if (payload !== undefined) judge.violated('completed stays completed', `${principal} has ended for good and runs`);
    return;
  }
  if (payload !== undefined) judgePayload(world, payload, wish);
  else if (mustServe(world, principal, wish))
    judge.violated('converges', `${principal} is to serve and is "${status.state}": ${status.message ?? ''}`);
  else if (wish.restart === 'never' && !['exited', 'completed'].includes(status.state) && !hasExpired(world, principal))
    judge.violated('converges', `${principal} is to run once and is "${status.state}": ${status.message ?? ''}`);
}

/** What runs is what was asked for, to the last edit. */
function judgePayload(world: World, { principal, spec, files }: Payload, wish: Wish): void {
  const { judge, operators, launcher, launcherDisk } = world;
  const differs = (what: string, expected: unknown, found: unknown): void => {
    if (!isDeepStrictEqual(expected, found))
      judge.violated('converges', `${principal}: expected the ${what} ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
  };
  // What runs once is not cut off by an edit: it counts with the next generation.
  const isOnce = wish.restart === 'never' && spec.environment['GENERATION'] === String(wish.generation);
  if (!isOnce) {
    differs('command', wish.command, spec.command);
    differs('environment', environmentOf(world, wish), spec.environment);
  }
  differs('task', wish.payload, files.payload);
  differs('authorization', wish.authorization ?? DEFAULT_AUTHORIZATION, launcher?.authorizationOf(principal));
  const issue = operators.issue(principal);
  if (issue?.expired === false) differs('credentials', issue.issue, launcherDisk.bundles.get(principal)?.issue);
}

function environmentOf(world: World, { revision, generation, restart }: Wish): Record<string, string> {
  return {
    TEMPLATE: String(world.operators.template),
    REVISION: String(revision),
    GENERATION: String(generation),
    RESTART: restart,
  };
}

/** With credentials that nobody accepts nothing can be started. */
function hasExpired({ operators }: World, principal: PrincipalName): boolean {
  return operators.issue(principal)?.expired === true;
}

function mustServe(world: World, principal: PrincipalName, { command }: Wish): boolean {
  return command[0] === 'serve' && !hasExpired(world, principal);
}

function isDone({ jobs }: World, principal: PrincipalName, { generation, restart }: Wish): boolean {
  return restart !== 'always' && (jobs.generationOf(principal) ?? -1) >= generation;
}

/** Only what cannot be, and what keeps ending, may have anything left to do or to wait for. */
function judgePlan(world: World): void {
  for (const { action, principal, reason } of world.daemon?.preview() ?? []) {
    if (world.operators.wish(principal)?.isBroken === true || isRestless(world, principal)) continue;
    world.judge.violated('empty plan', `there is still to do: ${action} ${principal}, ${reason}`);
  }
}

function isRestless(world: World, principal: PrincipalName): boolean {
  const wish = world.operators.wish(principal);
  return (wish?.command[0] === 'exit' && wish.restart === 'always') || hasExpired(world, principal);
}
