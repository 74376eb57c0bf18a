// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import type { PrincipalName } from '@bureau/core';
import { DEFAULT_AUTHORIZATION, type PrincipalStatus } from '@bureau/protocol';
import { isSickly, type Payload } from './fake-machine.ts';
import { PRINCIPALS, type Wish } from './operators.ts';
import type { World } from './world.ts';

/** Judges a world that has been quiet for long: everything must be as the rooms say, and nothing left to do. Knows no planner. */
export function judgeQuiet(world: World): void {
  const { judge, daemon, launcher } = world;
  if (daemon === undefined || launcher === undefined) return judge.violated('converges', 'a process did not come back');
  for (const principal of PRINCIPALS) {
    const status = daemon.statuses.find((each) => each.principal === principal);
    judgePrincipal(world, principal, status);
    judgePublished(world, principal, status);
  }
  judgePlan(world);
}

function judgePrincipal(world: World, principal: PrincipalName, status: PrincipalStatus | undefined): void {
  const { judge, machine, operators, launcher, quarantines } = world;
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
  if (operators.rules.draining && payload !== undefined)
    return judge.violated('ends what is not wanted', `the machine was drained, and ${principal} runs`);
  if (wish.isBroken) {
    if (status.message === undefined) judge.violated('nothing forgotten', `${principal} cannot be read, and nobody is told`);
    return;
  }
  if (wish.desired === 'stopped') {
    if (payload !== undefined) judge.violated('ends what is not wanted', `${principal} is to be stopped and runs`);
    if (status.state !== 'stopped') judge.violated('converges', `${principal} is stopped, and its status is ${status.state}`);
    return;
  }
  if (operators.haltOf(principal) === wish.generation) {
    if (payload !== undefined) judge.violated('ends what is not wanted', `${principal} was stopped by a command and runs`);
    if (status.state !== 'stopped') judge.violated('converges', `${principal} was stopped by a command, and its status is ${status.state}`);
    return;
  }
  if (isDone(world, principal, wish)) {
    // What was started while it was to run always may run on.
    if (payload !== undefined && payload.spec.environment['RESTART'] !== 'always')
      judge.violated('completed stays completed', `${principal} has ended for good and runs`);
    return;
  }
  if (status.state === 'quarantined' && !quarantines.isTold(principal))
    judge.violated('one notification', `${principal} is in quarantine, and nobody was told`);
  if (payload !== undefined) judgeHealth(world, payload, wish, status);
  if (payload !== undefined) judgePayload(world, payload, wish);
  else if (mayStart(world, principal, wish) && status.state !== 'quarantined') judgeAbsent(world, principal, wish, status);
}

/** It does not run, though nothing keeps it from that. */
function judgeAbsent(
  { judge }: World,
  principal: PrincipalName,
  { command, restart }: Wish,
  { state, message = '' }: PrincipalStatus,
): void {
  if (command[0] === 'serve' && !(isSickly(command) && restart === 'never'))
    judge.violated('converges', `${principal} is to serve and is "${state}": ${message}`);
  // Once is at most once: what was interrupted is not repeated.
  else if (restart === 'never' && state !== 'exited' && state !== 'completed')
    judge.violated('converges', `${principal} is to run once and is "${state}": ${message}`);
  else if (restart === 'always') judge.violated('converges', `${principal} keeps ending and is "${state}", not in quarantine: ${message}`);
  else if (restart === 'on-failure') judge.violated('converges', `${principal} is to run until it succeeds and is "${state}": ${message}`);
}

/** Who has a health check and runs is known to be well; who is not does not run on. */
function judgeHealth({ judge, machine, operators }: World, { principal, id, spec }: Payload, wish: Wish, status: PrincipalStatus): void {
  // What is of an older spec has no check of this wish, and what could not be started again is not ended.
  const isNewest = isDeepStrictEqual([spec.command, spec.environment], [wish.command, operators.environmentOf(wish)]);
  if (wish.isChecked !== true || !isNewest || operators.rules.cordoned) return;
  if (machine.isWell(principal, id) === false) judge.violated('ends what is not wanted', `${principal} is not well and runs on`);
  else if (status.health !== 'healthy') judge.violated('converges', `${principal} is well, and what is said of it is "${status.health}"`);
}

/** What runs is what was asked for, to the last edit. */
function judgePayload(world: World, { principal, spec, files }: Payload, wish: Wish): void {
  const { judge, operators, launcher, launcherDisk } = world;
  const differs = (what: string, expected: unknown, found: unknown): void => {
    if (!isDeepStrictEqual(expected, found))
      judge.violated('converges', `${principal}: expected the ${what} ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
  };
  differs('authorization', wish.authorization ?? DEFAULT_AUTHORIZATION, launcher?.authorizationOf(principal));
  const issue = operators.issue(principal);
  if (issue?.expired === false) differs('credentials', issue.issue, launcherDisk.bundles.get(principal)?.issue);
  // What may be of an older spec: it runs once, its update was taken back, nothing new may be started.
  if (wish.restart === 'never' || wish.update === 'guarded' || operators.rules.cordoned || hasExpired(world, principal)) return;
  differs('command', wish.command, spec.command);
  differs('environment', operators.environmentOf(wish), spec.environment);
  differs('task', wish.payload, files.payload);
}

/** What is said of a principal is what the room says. */
function judgePublished(world: World, principal: PrincipalName, status: PrincipalStatus | undefined): void {
  if (isRestless(world, principal)) return;
  const content = world.server.get('statuses', principal)?.content ?? {};
  const expected = status === undefined ? {} : { v: 1, ...status };
  if (!isDeepStrictEqual(content, expected))
    world.judge.violated(
      'nothing forgotten',
      `what is said of ${principal} was not published: expected ${JSON.stringify(expected)}, found ${JSON.stringify(content)}`,
    );
}

/** With credentials that nobody accepts nothing can be started. */
function hasExpired({ operators }: World, principal: PrincipalName): boolean {
  return operators.issue(principal)?.expired === true;
}

function mayStart(world: World, principal: PrincipalName, { isGated }: Wish): boolean {
  const { rules, isGateOpen } = world.operators;
  return !(hasExpired(world, principal) || rules.cordoned || rules.draining || (isGated && !isGateOpen));
}

function isDone({ jobs }: World, principal: PrincipalName, { generation, restart }: Wish): boolean {
  return restart !== 'always' && (jobs.generationOf(principal) ?? -1) >= generation;
}

/** Only what keeps failing may have anything left to do or to wait for; what people must change is said in a plan, and is no work. */
function judgePlan(world: World): void {
  for (const { action, principal, reason } of world.daemon?.preview() ?? []) {
    const wish = world.operators.wish(principal);
    if (isRestless(world, principal) || (action === 'block' && wish?.isBroken === true)) continue;
    if (action === 'hold' && wish !== undefined && !mayStart(world, principal, wish)) continue;
    world.judge.violated('empty plan', `there is still to do: ${action} ${principal}, ${reason}`);
  }
}

function isRestless(world: World, principal: PrincipalName): boolean {
  return hasExpired(world, principal);
}
