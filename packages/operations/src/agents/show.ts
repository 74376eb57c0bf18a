// SPDX-License-Identifier: Apache-2.0
import { BureauError, formatDuration } from '@bureau/core';
import { daemonContract, principalName } from '@bureau/protocol';
import * as v from 'valibot';
import { connectDaemon } from '../daemon-client.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { describeStatus, describeStep } from './describe.ts';

const { output } = daemonContract.methods.principal;
type Shown = v.InferOutput<typeof output>;

/** `bureau agent show`: everything about one principal. */
export const agentShow: AnyOperation = defineOperation({
  name: 'agent show',
  summary: 'Show everything about one agent: how it is, what is asked of it, what it waits for and until when',
  grant: 'agent/show',
  input: v.strictObject({ principal: principalName }),
  output: v.strictObject({ now: v.number(), principal: principalName, ...output.entries }),
  fields: { principal: { help: 'the name of the agent' } },
  positionals: ['principal'],
  examples: [
    { command: 'bureau agent show demo/hello', shows: 'its state, why it is so, and the next step of the machine' },
    { command: 'bureau agent show demo/hello --json', shows: 'the same with its whole assignment, for a script' },
  ],
  async handler({ principal }, context) {
    using daemon = await connectDaemon(context);
    const shown = await daemon.call('principal', { principal });
    if (shown.status === null && shown.assignment === null)
      throw new BureauError('not_assigned', `Nothing is known of "${principal}" on this machine; see "bureau agent list"`, {
        data: { principal },
      });
    return { now: context.clock.now(), principal, ...shown };
  },
  render: ({ now, principal, ...shown }) => describePrincipal(principal, shown, now),
});

/** Some lines for a person. */
function describePrincipal(principal: string, { status, step, assignment, condition, healthCheck: check }: Shown, now: number): string {
  const lines: string[] = [status === null ? `${principal}: the machine says nothing of it` : describeStatus(status)];
  const add = (what: string, text: string | undefined): void => {
    if (text !== undefined) lines.push(`  ${what.padEnd(11)} ${text}`);
  };
  const wanted = assignment?.content ?? undefined;
  if (status !== null) {
    const { generation, observedGeneration: observed, id, startedAt, retryAt } = status;
    const behind = observed === undefined || observed === generation ? '' : `; what runs is of generation ${observed}`;
    add('generation', generation === undefined ? undefined : `${generation}${behind}`);
    add(
      'sandbox',
      id === undefined
        ? undefined
        : `${id}${startedAt === undefined ? '' : `, started ${formatDuration(Math.max(0, now - startedAt))} ago`}`,
    );
    add(
      'goes on',
      retryAt === undefined ? undefined : `in ${formatDuration(Math.max(0, retryAt - now))} (${new Date(retryAt).toISOString()})`,
    );
  }
  add('template', wanted?.template);
  add('command', wanted === undefined || wanted.command.length === 0 ? undefined : wanted.command.join(' ').slice(0, 500));
  add('restart', wanted?.restart);
  add('health', check === null ? undefined : describeCheck(check));
  add('condition', condition?.message);
  add('next', step === null ? 'nothing to do' : describeStep(step, now));
  add('assignment', assignment?.event);
  return lines.join('\n');
}

function describeCheck({ type, endpoint, path, ...every }: NonNullable<Shown['healthCheck']>): string {
  const what = type === 'http' ? `http ${endpoint} ${path ?? '/'}` : `socket ${endpoint}`;
  return `${what}, every ${every.intervalSeconds} s, ${every.failureThreshold}× within ${every.timeoutSeconds} s each, after ${every.gracePeriodSeconds} s of grace`;
}
