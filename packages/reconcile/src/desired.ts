// SPDX-License-Identifier: Apache-2.0
import { parsePrincipalName, type PrincipalName } from '@bureau/core';
import { assignmentContent, credentialsContent, templateContent, type AssignmentContent, type TemplateContent } from '@bureau/protocol';
import * as v from 'valibot';
import { ASSIGNMENTS_MAX } from './limits.ts';

/** A state event as the reconciler sees it. */
export interface Fact {
  readonly stateKey: string;
  readonly eventId: string;
  readonly content: unknown;
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
  readonly template?: TemplateContent;
  readonly bundle?: { readonly event: string; readonly bytes: Uint8Array };
  readonly fault?: string;
}

/**
 * Reads the rooms into what shall run. One wrong event blocks its own principal and no other; an event whose key is no principal's
 * name is left out, since nothing can be said about it.
 */
export function readDesired(facts: Facts): Desired[] {
  const desired: Desired[] = [];
  for (const fact of facts.assignments) {
    if (isEmpty(fact.content)) continue;
    const principal = principalOf(fact.stateKey);
    if (principal === undefined) continue;
    if (desired.length >= ASSIGNMENTS_MAX) {
      desired.push({ principal, event: fact.eventId, fault: `this machine follows ${ASSIGNMENTS_MAX} assignments at most` });
      continue;
    }
    desired.push(readOne(principal, fact, facts));
  }
  return desired.toSorted((a, b) => (a.principal < b.principal ? -1 : 1));
}

function readOne(principal: PrincipalName, fact: Fact, facts: Facts): Desired {
  const base = { principal, event: fact.eventId };
  const assignment = v.safeParse(assignmentContent, fact.content);
  if (!assignment.success) return { ...base, fault: `its assignment is wrong: ${issueText(assignment.issues)}` };
  if (assignment.output.principal !== principal)
    return { ...base, fault: `its assignment names another principal: ${assignment.output.principal}` };

  const withAssignment = { ...base, assignment: assignment.output };
  const template = facts.templates.find(({ stateKey, content }) => stateKey === assignment.output.template && !isEmpty(content));
  if (template === undefined)
    return { ...withAssignment, fault: `there is no template "${assignment.output.template}"; known: ${templateNames(facts)}` };
  const parsedTemplate = v.safeParse(templateContent, template.content);
  if (!parsedTemplate.success)
    return { ...withAssignment, fault: `template "${assignment.output.template}" is wrong: ${issueText(parsedTemplate.issues)}` };

  const credentials = facts.credentials.find(({ stateKey, content }) => stateKey === principal && !isEmpty(content));
  const whole = { ...withAssignment, template: parsedTemplate.output };
  if (credentials === undefined) return whole;
  const parsedCredentials = v.safeParse(credentialsContent, credentials.content);
  if (!parsedCredentials.success) return { ...whole, fault: `its credentials are wrong: ${issueText(parsedCredentials.issues)}` };
  if (parsedCredentials.output.principal !== principal)
    return { ...whole, fault: `its credentials name another principal: ${parsedCredentials.output.principal}` };
  return { ...whole, bundle: { event: credentials.eventId, bytes: Buffer.from(parsedCredentials.output.bundle, 'base64') } };
}

function templateNames(facts: Facts): string {
  const names = facts.templates.filter(({ content }) => !isEmpty(content)).map(({ stateKey }) => stateKey.slice(0, 64));
  return names.length === 0 ? 'none' : names.toSorted().slice(0, 20).join(', ');
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

/** The first issue with its path: `command: expected …`. */
function issueText(issues: readonly v.BaseIssue<unknown>[]): string {
  const [issue] = issues;
  if (issue === undefined) return 'unknown fault';
  const path = v.getDotPath(issue);
  return path === null ? issue.message : `${path}: ${issue.message}`;
}
