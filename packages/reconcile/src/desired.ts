// SPDX-License-Identifier: Apache-2.0
import { parsePrincipalName, type PrincipalName } from '@bureau/core';
import { ASSIGNMENT, CREDENTIALS, readEvent, type AssignmentContent } from '@bureau/protocol';
import { describeFault, noTemplate, type ResolvedTemplate, type TemplateLibrary } from '@bureau/templates';
import { ASSIGNMENTS_MAX } from './limits.ts';
import { libraryOf } from './template-cache.ts';

/** A state event as the reconciler sees it. */
export interface Fact {
  readonly stateKey: string;
  readonly eventId: string;
  readonly content: unknown;
  /** Why it is not believed, though the room has it; see `templateDistrust`. */
  readonly distrust?: string;
}

/** The rooms, read. */
export interface Facts {
  readonly assignments: readonly Fact[];
  readonly credentials: readonly Fact[];
  readonly templates: readonly Fact[];
}

/** What shall be for one principal. `fault` says why it cannot be, in words for a person; nothing else is touched by it. */
export interface Desired {
  readonly principal: PrincipalName;
  readonly event: string;
  readonly assignment?: AssignmentContent;
  readonly template?: ResolvedTemplate;
  readonly bundle?: { readonly event: string; readonly bytes: Uint8Array };
  readonly fault?: string;
}

/**
 * Reads the rooms into what shall run. One wrong event blocks its own principal and no other; an event whose key is no principal's
 * name is left out, since nothing can be said about it.
 */
export function readDesired(facts: Facts, templates: TemplateLibrary = libraryOf(facts.templates)): Desired[] {
  const desired: Desired[] = [];
  for (const fact of facts.assignments) {
    if (isEmpty(fact.content)) continue;
    const principal = principalOf(fact.stateKey);
    if (principal === undefined) continue;
    if (desired.length >= ASSIGNMENTS_MAX) {
      desired.push({ principal, event: fact.eventId, fault: `this machine follows ${ASSIGNMENTS_MAX} assignments at most` });
      continue;
    }
    desired.push(readOne(principal, fact, facts, templates));
  }
  return desired.toSorted((a, b) => (a.principal < b.principal ? -1 : 1));
}

function readOne(principal: PrincipalName, fact: Fact, facts: Facts, templates: TemplateLibrary): Desired {
  const base = { principal, event: fact.eventId };
  const assignment = readEvent(ASSIGNMENT, fact.content);
  if (!assignment.ok) return { ...base, fault: `its assignment is wrong: ${assignment.message}` };
  if (assignment.content.principal !== principal)
    return { ...base, fault: `its assignment names another principal: ${assignment.content.principal}` };

  const withAssignment = { ...base, assignment: assignment.content };
  const name = assignment.content.template;
  const found = templates.get(name);
  if (found === undefined) return { ...withAssignment, fault: noTemplate(name, templates) };
  if (!found.ok) return { ...withAssignment, fault: describeFault(found.faults[0]) };

  const given = facts.credentials.find(({ stateKey, content }) => stateKey === principal && !isEmpty(content));
  const whole = { ...withAssignment, template: found.template };
  if (given === undefined) return whole;
  const credentials = readEvent(CREDENTIALS, given.content);
  if (!credentials.ok) return { ...whole, fault: `its credentials are wrong: ${credentials.message}` };
  if (credentials.content.principal !== principal)
    return { ...whole, fault: `its credentials name another principal: ${credentials.content.principal}` };
  return { ...whole, bundle: { event: given.eventId, bytes: Buffer.from(credentials.content.bundle, 'base64') } };
}

function isEmpty(content: unknown): boolean {
  return typeof content === 'object' && content !== null && Object.keys(content).length === 0;
}

function principalOf(stateKey: string): PrincipalName | undefined {
  try {
    return parsePrincipalName(stateKey);
  } catch {
    return undefined;
  }
}
