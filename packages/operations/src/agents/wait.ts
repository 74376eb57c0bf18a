// SPDX-License-Identifier: Apache-2.0
import { BureauError, UsageError, parseDuration, type PrincipalName, type Timer } from '@bureau/core';
import { principalName, principalStatus, type PrincipalStatus } from '@bureau/protocol';
import * as v from 'valibot';
import { readAssignment } from '../assignments.ts';
import { connectDaemon, type DaemonClient } from '../daemon-client.ts';
import { openOperator } from '../operator.ts';
import type { OperationContext } from '../registry/context.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { describeStatus } from './describe.ts';
import { healthyIn, judgeGoal, type Goal } from './goal.ts';

/** A deployed agent that does not run by then is reported as it is: a first start includes a proxy and a sandbox. */
const DEPLOY_WAIT_MILLISECONDS = 30_000;
const DEFAULT_TIMEOUT = '60s';
const TIMEOUT_MAX_MILLISECONDS = 86_400_000;

/** `bureau agent wait <principal> --for STATE`. */
export const agentWait: AnyOperation = defineOperation({
  name: 'agent wait',
  summary: 'Wait until an agent is as asked, for the assignment as it is now',
  description:
    'Answers for the generation that the assignment has when this begins (or --generation): a sandbox of an earlier one is no answer. Fails at once when the agent cannot become so without somebody’s doing (blocked, ended for good, in quarantine), and when the time is up.',
  grant: 'agent/wait',
  input: v.strictObject({
    principal: principalName,
    for: v.optional(v.picklist(['running', 'healthy', 'exited', 'completed', 'stopped', 'absent']), 'running'),
    generation: v.optional(v.pipe(v.string(), v.regex(/^[0-9]{1,15}$/, 'expected a number such as 3'))),
    timeout: v.optional(v.string(), DEFAULT_TIMEOUT),
  }),
  output: v.strictObject({ principal: principalName, status: v.nullable(principalStatus) }),
  fields: {
    principal: { help: 'the name of the agent' },
    for: {
      help: 'what to wait for; healthy: its health check says so, or it has stayed up for 10 s if it has none; exited: it has ended, however, and may start again',
      placeholder: 'running|healthy|exited|completed|stopped|absent',
    },
    generation: { help: 'the generation that is meant; default: the assignment’s', placeholder: 'N' },
    timeout: { help: `how long at most; default ${DEFAULT_TIMEOUT}`, placeholder: 'DURATION' },
  },
  positionals: ['principal'],
  examples: [
    { command: 'bureau agent wait demo/hello --for running', shows: 'the agent as soon as it runs by its newest assignment' },
    { command: 'bureau agent wait demo/web --for healthy', shows: 'the agent when it has answered its health check' },
    { command: 'bureau agent wait demo/job --for completed --timeout 10m --json', shows: 'how a job ended, for a script' },
  ],
  async handler({ principal, for: state, generation, timeout }, context) {
    const milliseconds = parseDuration(timeout);
    if (milliseconds === 0 || milliseconds > TIMEOUT_MAX_MILLISECONDS)
      throw new UsageError('invalid_duration', 'Expected a time limit above zero and of at most a day');
    using daemon = await connectDaemon(context);
    const wanted = generation === undefined ? await generationOf(principal, state, context) : Number(generation);
    const goal: Goal = { state, patience: 'any start', ...(wanted === undefined ? {} : { generation: wanted }) };
    const status = await waitFor(daemon, principal, goal, milliseconds, context);
    return { principal, status: status ?? null };
  },
  render: ({ principal, status }) => (status === null ? `${principal} is not there` : describeStatus(status)),
});

/** What the assignment asks for now. Throws `not_assigned` when there is none and something is waited for that needs one. */
async function generationOf(principal: PrincipalName, state: Goal['state'], context: OperationContext): Promise<number | undefined> {
  if (state === 'absent') return undefined;
  const assignment = await readAssignment(openOperator(context), principal, context.signal);
  if (assignment !== undefined) return assignment.generation;
  throw new BureauError(
    'not_assigned',
    `"${principal}" is not assigned to this machine, so there is nothing to wait for; see "bureau agent list"`,
    {
      data: { principal },
    },
  );
}

/**
 * Waits until the principal runs under this generation of its assignment. Throws what `judgeGoal` throws, and `deadline_exceeded` when it is
 * still on its way.
 */
export async function waitRunning(
  daemon: DaemonClient,
  principal: PrincipalName,
  generation: number,
  context: OperationContext,
  patience: Goal['patience'] = 'first start',
): Promise<PrincipalStatus> {
  const status = await waitFor(daemon, principal, { state: 'running', generation, patience }, DEPLOY_WAIT_MILLISECONDS, context);
  if (status === undefined) throw new TypeError('Expected a status of what runs');
  return status;
}

/** Follows what the machine says until `judgeGoal` has an answer. Throws `deadline_exceeded` after `milliseconds`. */
async function waitFor(
  daemon: DaemonClient,
  principal: PrincipalName,
  goal: Goal,
  milliseconds: number,
  context: OperationContext,
): Promise<PrincipalStatus | undefined> {
  const over = new AbortController();
  const onAbort = (): void => over.abort(context.signal.reason);
  context.signal.addEventListener('abort', onAbort, { once: true });
  let last: PrincipalStatus | undefined;
  const timer = context.clock.setTimer(milliseconds, () => over.abort(late(principal, goal, milliseconds, last)));
  // What counts as healthy by its age alone becomes so without a word from the machine.
  const aged = new AbortController();
  let birthday: Timer | undefined;
  const judge = (): boolean => judgeGoal(principal, last, goal, context.clock.now()) === 'reached';
  try {
    context.signal.throwIfAborted();
    for await (const { status } of daemon.stream('follow', { principal }, { signal: AbortSignal.any([over.signal, aged.signal]) })) {
      last = status ?? undefined;
      if (judge()) return last;
      birthday?.clear();
      const left = goal.state === 'healthy' ? healthyIn(last, context.clock.now()) : undefined;
      if (left !== undefined) birthday = context.clock.setTimer(left, () => aged.abort());
    }
    throw new BureauError('connection_lost', 'The daemon went away; ask again in a moment');
  } catch (error) {
    if (aged.signal.aborted && !over.signal.aborted) return last;
    throw over.signal.aborted ? over.signal.reason : error;
  } finally {
    birthday?.clear();
    timer.clear();
    context.signal.removeEventListener('abort', onAbort);
  }
}

function late(principal: string, goal: Goal, milliseconds: number, last: PrincipalStatus | undefined): BureauError {
  const which = goal.generation === undefined ? '' : ` by generation ${goal.generation} of its assignment`;
  const health = last?.health === undefined ? '' : `, its health "${last.health}"`;
  const now =
    last === undefined
      ? 'the machine says nothing of it'
      : `it is "${last.state}"${health}${last.message === undefined ? '' : `: ${last.message}`}`;
  return new BureauError('deadline_exceeded', `"${principal}" is not "${goal.state}"${which} after ${milliseconds / 1_000} s; ${now}`, {
    data: { principal },
  });
}
