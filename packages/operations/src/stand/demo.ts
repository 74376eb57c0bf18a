// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { BureauError, parsePrincipalName, sleep, userIdOf, type PrincipalName } from '@bureau/core';
import { assignmentContent } from '@bureau/protocol';
import * as v from 'valibot';
import { waitRunning } from '../agents/wait.ts';
import { readAssignment, writeAssignment } from '../assignments.ts';
import type { DaemonClient } from '../daemon-client.ts';
import type { Operator } from '../operator.ts';
import { ensurePrincipal } from '../principals.ts';
import type { OperationContext } from '../registry/context.ts';

/** Its message comes right after its start. */
const MESSAGE_MILLISECONDS = 30_000;
const LOOK_MILLISECONDS = 100;

export interface DemoMessage {
  readonly principal: PrincipalName;
  readonly event_id: string;
  readonly body: string;
}

/**
 * Sees to it that the demo agent runs (as the build has it now), and answers with its newest message in the agents room. An agent
 * that the operator has stopped stays stopped.
 */
export async function ensureDemo(
  operator: Operator,
  daemon: DaemonClient,
  context: OperationContext,
): Promise<{ message: DemoMessage; started: boolean }> {
  const principal = parsePrincipalName('demo/hello');
  await ensurePrincipal(operator, principal, context);
  const before = await readAssignment(operator, principal, context.signal);
  // One that runs from an older build goes on: a new build is no reason to end a sandbox.
  const fresh = [`${context.buildDirectory}/bin/node`, `${context.buildDirectory}/lib/demo-agent.js`, operator.machine.agentsRoom];
  const stands =
    before?.command[1]?.endsWith('/demo-agent.js') === true &&
    before.command.slice(0, 2).every((path) => existsSync(path)) &&
    before.command[2] === operator.machine.agentsRoom;
  const wanted = v.parse(assignmentContent, {
    v: 1,
    principal,
    command: stands ? before.command : fresh,
    generation: before?.generation ?? 0,
    desired: before?.desired ?? 'running',
  });
  const started = JSON.stringify(before) !== JSON.stringify(wanted);
  const earlier = (await newestMessage(operator, principal, context))?.event_id;
  if (started) await writeAssignment(operator, wanted, context.signal);
  if (wanted.desired === 'running') await waitRunning(daemon, principal, wanted.generation, context, started ? 'first start' : 'any start');
  return { message: await awaitMessage(operator, principal, started ? earlier : undefined, context), started };
}

/** The agent's newest message; another than `earlier`, when that is given. */
async function awaitMessage(
  operator: Operator,
  principal: PrincipalName,
  earlier: string | undefined,
  context: OperationContext,
): Promise<DemoMessage> {
  const until = context.clock.monotonic() + MESSAGE_MILLISECONDS;
  for (;;) {
    const found = await newestMessage(operator, principal, context);
    if (found !== undefined && found.event_id !== earlier) return found;
    if (context.clock.monotonic() > until) {
      throw new BureauError(
        'deadline_exceeded',
        `Expected a message of ${principal} in the agents room within ${MESSAGE_MILLISECONDS / 1_000} s; "bureau agent logs ${principal}" shows what it did`,
      );
    }
    await sleep(context.clock, LOOK_MILLISECONDS, context.signal);
  }
}

async function newestMessage(operator: Operator, principal: PrincipalName, context: OperationContext): Promise<DemoMessage | undefined> {
  const sender = userIdOf(principal, operator.machine.serverName);
  const { events } = await operator.client.messages(
    operator.machine.agentsRoom,
    { limit: 50, direction: 'backward' },
    { signal: context.signal },
  );
  const found = events.find((event) => event.sender === sender && event.type === 'm.room.message');
  return found === undefined ? undefined : { principal, event_id: found.event_id, body: String(found.content['body'] ?? '').slice(0, 500) };
}
