// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import { readMachine } from '@bureau/instance';
import { ARGUMENT_MAX, environmentName, principalName, principalStatus, templateName, type PrincipalStatus } from '@bureau/protocol';
import * as v from 'valibot';
import { readAssignment, requireSpec, writeAssignment, type WrittenAssignment } from '../assignments.ts';
import { connectDaemon } from '../daemon-client.ts';
import { machineArgument } from '../machine/machine-argument.ts';
import { operatorFor, requireNowhereElse } from '../machine/operator-for.ts';
import { openOperator } from '../operator.ts';
import { ensurePrincipal } from '../principals.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { parseAuthorization } from './authorization.ts';
import { describeStatus } from './describe.ts';
import { parseHealthCheck } from './health-check.ts';
import { waitElsewhere } from './wait-elsewhere.ts';
import { waitRunning } from './wait.ts';
import { parseWhen } from './when.ts';

/** `NAME=value` pairs into a record; a name given twice has its last value. Throws `invalid_environment`. */
export function parseEnvironment(pairs: readonly string[]): Record<string, string> {
  const environment = new Map<string, string>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    const shown = JSON.stringify(pair.length > 100 ? `${pair.slice(0, 100)}…` : pair);
    if (at < 1) throw new UsageError('invalid_environment', `Cannot read ${shown} as an environment variable: expected NAME=value`);
    const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
    if (!v.is(environmentName, name)) {
      throw new UsageError(
        'invalid_environment',
        `Cannot use ${shown} as an environment variable: expected a name of letters, digits and "_"`,
      );
    }
    if (value.length > ARGUMENT_MAX)
      throw new UsageError('invalid_environment', `Cannot use ${shown}: a value has at most ${ARGUMENT_MAX} characters`);
    environment.set(name, value);
  }
  return Object.fromEntries(environment);
}

/** `bureau agent deploy <principal> -- CMD…`: an agent that is kept running. */
export const agentDeploy: AnyOperation = defineOperation({
  name: 'agent deploy',
  summary: 'Keep a command running as an agent of this machine, or of another one',
  description:
    'Makes the account when it is new, seals its keys for the machine, and writes its assignment. Deploying again replaces what runs.',
  grant: 'agent/deploy',
  input: v.strictObject({
    principal: principalName,
    command: v.optional(v.array(v.string()), []),
    template: v.optional(templateName, 'default'),
    env: v.optional(v.array(v.string()), []),
    restart: v.optional(v.picklist(['always', 'on-failure', 'never']), 'always'),
    allow: v.optional(v.array(v.string()), []),
    deny: v.optional(v.array(v.string()), []),
    when: v.optional(v.string()),
    update: v.optional(v.picklist(['replace', 'guarded'])),
    health_check: v.optional(v.string()),
    machine: v.optional(machineArgument),
    quarantine_after: v.optional(v.pipe(v.string(), v.regex(/^[0-9]{1,3}$/, 'expected a number such as 10'))),
    wait: v.optional(v.boolean(), true),
  }),
  output: v.strictObject({ principal: principalName, event_id: v.string(), status: v.nullable(principalStatus) }),
  fields: {
    principal: { help: 'the name of the agent, such as demo/hello' },
    command: { help: 'the command and its arguments; without it the template’s', placeholder: 'CMD' },
    template: { help: 'the template to run it by', placeholder: 'NAME' },
    env: { help: 'an environment variable for it (may be repeated)', placeholder: 'NAME=VALUE', short: 'e' },
    restart: { help: 'when to start it again after it ended', placeholder: 'always|on-failure|never' },
    allow: { help: 'something more that it may do, such as matrix/join (may be repeated)', placeholder: 'ACTION[@TARGET]' },
    deny: { help: 'something that it may not do, whatever else is allowed (may be repeated)', placeholder: 'ACTION[@TARGET]' },
    when: {
      help: 'start it only while a state event is as this says; the room may be an alias, which is resolved once',
      placeholder: 'JSON',
    },
    update: {
      help: 'guarded: a later change is judged before what runs ends, and taken back when it does not stay up',
      placeholder: 'replace|guarded',
    },
    health_check: {
      help: 'how the machine finds out whether it is well, instead of the template’s way',
      placeholder: 'JSON',
    },
    quarantine_after: { help: 'leave it alone after so many ends in a row soon after its start; default 10', placeholder: 'N' },
    machine: { help: 'the machine that is to run it; default: this one. Its key must be pinned (machine confirm)', placeholder: 'NAME' },
    wait: { help: 'wait until it runs, or waits for its condition', negatable: true },
  },
  positionals: ['principal'],
  rest: 'command',
  examples: [
    {
      command: `bureau agent deploy demo/job --restart never --when '{"room": "#iree/general:server", "type": "m.bureau.example", "match": {"ready": true}}' -- make`,
      shows: 'a job that runs once, when the event is there',
    },
    {
      command: `bureau agent deploy demo/web --health-check '{"type": "http", "endpoint": "/workspace/health.sock", "path": "/health"}' -- python3 serve.py`,
      shows: 'an agent that is started again when it answers no more',
    },
    {
      command: 'bureau agent deploy demo/train --machine laptop -- python3 train.py',
      shows: 'an agent of another machine, sealed for that one alone',
    },
    { command: 'bureau agent deploy demo/clock -- sh -c "while date; do sleep 60; done"', shows: 'an agent that prints the time' },
  ],
  async handler(input, context) {
    const environment = parseEnvironment(input.env);
    const authorization = parseAuthorization(input.allow, input.deny);
    const healthCheck = input.health_check === undefined ? undefined : parseHealthCheck(input.health_check);
    const operator = input.machine === undefined ? openOperator(context) : await operatorFor(input.machine, context);
    const isHere = operator.machine.machine === readMachine(context.paths).machine;
    using daemon = isHere ? await connectDaemon(context) : undefined;
    const startWhen = input.when === undefined ? undefined : await parseWhen(input.when, operator, context.signal);
    const before = await readAssignment(operator, input.principal, context.signal);
    // What is assigned here already is not looked for in every other room each time that it changes.
    if (!isHere || before === undefined) await requireNowhereElse(input.principal, operator.machine.machine, context);
    const generation = (before?.generation ?? 0) + (before === undefined ? 0 : 1);
    const assignment: WrittenAssignment = {
      v: 1,
      principal: input.principal,
      template: input.template,
      command: input.command,
      environment,
      restart: input.restart,
      ...(authorization === undefined ? {} : { authorization }),
      ...(startWhen === undefined ? {} : { startWhen }),
      ...(input.update === undefined ? {} : { update: input.update }),
      ...(healthCheck === undefined ? {} : { healthCheck }),
      ...(input.quarantine_after === undefined ? {} : { quarantineAfter: Number(input.quarantine_after) }),
      generation,
    };
    // Before anything is made that a refusal would leave behind.
    await requireSpec(operator, assignment, context.signal);
    await ensurePrincipal(operator, input.principal, context);
    const event = await writeAssignment(operator, assignment, context.signal);
    const wait = (): Promise<PrincipalStatus> =>
      daemon === undefined
        ? waitElsewhere(operator, input.principal, generation, context)
        : waitRunning(daemon, input.principal, generation, context);
    const status = input.wait ? await wait() : null;
    return { principal: input.principal, event_id: event, status };
  },
  render: ({ principal, status }) => (status === null ? `${principal} is assigned` : describeStatus(status)),
});
