// SPDX-License-Identifier: Apache-2.0
import { BureauError, UsageError, type PrincipalName } from '@bureau/core';
import { ASSIGNMENT, EVENT_TYPES, assignmentContent, readEvent, type AssignmentContent } from '@bureau/protocol';
import { assignedSpec } from '@bureau/templates';
import * as v from 'valibot';
import type { Operator } from './operator.ts';
import { readTemplates } from './templates/template-reference.ts';

/** Matrix carries events of 65,536 bytes; some of them are the envelope's (ids, hashes, signatures). */
const ASSIGNMENT_MAX_BYTES = 60_000;

/** The principal's assignment on this machine; `undefined` when there is none. Throws `assignment_malformed` for one that we did not write. */
export async function readAssignment(
  operator: Operator,
  principal: PrincipalName,
  signal: AbortSignal,
): Promise<AssignmentContent | undefined> {
  const content = await operator.client.state(operator.machine.configRoom, EVENT_TYPES.assignment, principal, { signal });
  if (content === undefined || Object.keys(content).length === 0) return undefined;
  const read = readEvent(ASSIGNMENT, content);
  if (read.ok) return read.content;
  if (read.fault === 'newer')
    throw new BureauError(
      'assignment_newer',
      `The assignment of "${principal}" would lose what this Bureau does not know: ${read.message}`,
      {
        data: { principal },
      },
    );
  throw new BureauError(
    'assignment_malformed',
    `The assignment of "${principal}" is not one that Bureau writes (${read.message}); remove it with "bureau agent remove ${principal}" and deploy again`,
    { data: { principal } },
  );
}

/** The principal's assignment. Throws `not_assigned` when there is none. */
export async function requireAssignment(operator: Operator, principal: PrincipalName, signal: AbortSignal): Promise<AssignmentContent> {
  const assignment = await readAssignment(operator, principal, signal);
  if (assignment === undefined || assignment.run !== undefined) {
    throw new BureauError(
      'not_assigned',
      `"${principal}" is not deployed on this machine; see "bureau agent list", or deploy it: bureau agent deploy ${principal} -- CMD`,
      { data: { principal } },
    );
  }
  return assignment;
}

/** An assignment as it is written. */
export type WrittenAssignment = v.InferInput<typeof assignmentContent>;

/** The assignment as machines read it. Pure. Throws `invalid_assignment`, `assignment_too_large` for one that none would take. */
function parseAssignment(content: WrittenAssignment): AssignmentContent {
  const parsed = v.safeParse(assignmentContent, content);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new UsageError('invalid_assignment', `Cannot assign "${content.principal}": ${v.getDotPath(issue) ?? 'it'}: ${issue.message}`, {
      data: { principal: content.principal },
    });
  }
  const bytes = Buffer.byteLength(JSON.stringify(content));
  if (bytes > ASSIGNMENT_MAX_BYTES) {
    const message = `Cannot assign "${content.principal}": its command and environment make ${bytes} bytes, a Matrix event carries ${ASSIGNMENT_MAX_BYTES}; put what is long into a file of its workspace`;
    throw new UsageError('assignment_too_large', message, { data: { principal: content.principal, bytes } });
  }
  return parsed.output;
}

/**
 * Refuses an assignment of which this machine's templates make no sandbox: in the room it would block its principal. Throws what
 * {@link parseAssignment} throws, and `blocked` in the machine's own words.
 */
export async function requireSpec(operator: Operator, content: WrittenAssignment, signal: AbortSignal): Promise<void> {
  const assignment = parseAssignment(content);
  const { library } = await readTemplates(operator.client, operator.machine.templateRoom, signal);
  const made = assignedSpec(assignment, library);
  if (made.ok) return;
  throw new BureauError('blocked', `"${assignment.principal}" cannot run: ${made.message}`, { data: { principal: assignment.principal } });
}

/** Writes the assignment; answers with the event's ID. Throws what {@link parseAssignment} throws: it would block its principal. */
export async function writeAssignment(operator: Operator, content: WrittenAssignment, signal: AbortSignal): Promise<string> {
  parseAssignment(content);
  return await operator.client.setState(operator.machine.configRoom, EVENT_TYPES.assignment, content.principal, content, { signal });
}

/** Takes the assignment away. State events cannot be deleted in Matrix: an empty content says that there is none. */
export async function clearAssignment(operator: Operator, principal: PrincipalName): Promise<void> {
  await operator.client.setState(operator.machine.configRoom, EVENT_TYPES.assignment, principal, {});
}
