// SPDX-License-Identifier: Apache-2.0
import { parsePrincipalName, type PrincipalName } from '@bureau/core';
import {
  ASSIGNMENT,
  CREDENTIALS,
  readEvent,
  type AssignmentContent,
  type EventDefinition,
  type HealthCheck,
  type SandboxSpec,
} from '@bureau/protocol';
import type { TemplateLibrary } from '@bureau/templates';
import { judgeCondition, type ConditionFinding, type LookIntoRoom, type RoomLook } from './condition.ts';
import { ASSIGNMENTS_MAX } from './limits.ts';
import { resolveSpec, specKey } from './resolve.ts';
import { TemplateCache } from './template-cache.ts';

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
  /** For start conditions; without it none holds. */
  readonly look?: LookIntoRoom;
}

/** What shall be for one principal. `fault` says why it cannot be, in words for a person; nothing else is touched by it. */
export interface Desired {
  readonly principal: PrincipalName;
  readonly event: string;
  /** As the assignment says it, be the rest of it wrong. */
  readonly generation?: number;
  readonly assignment?: AssignmentContent;
  /** Template and assignment in one, with the name of what a running sandbox cannot take over (`specKey`); absent with a fault. */
  readonly target?: { readonly spec: SandboxSpec; readonly key: string; readonly healthCheck?: HealthCheck };
  readonly bundle?: { readonly event: string; readonly bytes: Uint8Array };
  /** Absent: it has no start condition. */
  readonly condition?: ConditionFinding;
  readonly fault?: string;
}

/** Reads the rooms once, from nothing; a daemon keeps a `DesiredReader`. */
export function readDesired(facts: Facts): Desired[] {
  return new DesiredReader().read(facts);
}

/** What one principal's desired state was made of; the same again makes the same. */
interface Parts {
  readonly event: string;
  readonly assignment: unknown;
  readonly template: unknown;
  readonly credentials: unknown;
  readonly bundleEvent: string | undefined;
  readonly seen: RoomLook['seen'] | undefined;
  readonly trigger: unknown;
}

/** By state key, which is the principal's name. */
type ReaderMemory = Map<string, { readonly parts: Parts; readonly desired: Desired }>;

/**
 * Reads the rooms into what shall run. One wrong event blocks its own principal and no other; an event whose key is no principal's
 * name is left out, since nothing can be said about it. Remembers what it has read: content that is the same object is not judged again.
 */
export class DesiredReader {
  readonly #readings = new WeakMap<object, ReturnType<typeof readEvent>>();
  readonly #templates = new TemplateCache();
  #known: ReaderMemory = new Map();

  read(facts: Facts): Desired[] {
    const templates = this.#templates.library(facts.templates);
    const credentials = byKey(facts.credentials);
    const known: ReaderMemory = new Map();
    const all: Desired[] = [];
    for (const fact of facts.assignments) {
      if (isEmpty(fact.content)) continue;
      const before = this.#known.get(fact.stateKey);
      const principal = before?.desired.principal ?? principalOf(fact.stateKey);
      if (principal === undefined) continue;
      if (all.length >= ASSIGNMENTS_MAX) {
        all.push({ principal, event: fact.eventId, fault: `this machine follows ${ASSIGNMENTS_MAX} assignments at most` });
        continue;
      }
      const assignment = this.#reading(ASSIGNMENT, fact.content);
      const content = assignment.ok ? assignment.content : undefined;
      const template = content === undefined ? undefined : templates.get(content.template);
      const look = content?.startWhen === undefined ? undefined : lookFor(content.startWhen, facts);
      const parts: Parts = {
        event: fact.eventId,
        assignment: fact.content,
        template: template ?? templates,
        credentials: credentials.get(principal)?.content,
        bundleEvent: credentials.get(principal)?.eventId,
        seen: look?.seen,
        trigger: look?.seen === 'event' ? look.content : undefined,
      };
      const desired =
        before !== undefined && sameParts(before.parts, parts)
          ? before.desired
          : this.#readOne(principal, fact, { templates, credentials: credentials.get(principal), look });
      known.set(principal, { parts, desired });
      all.push(desired);
    }
    this.#known = known;
    return all.sort((a, b) => (a.principal < b.principal ? -1 : 1));
  }

  #readOne(
    principal: PrincipalName,
    fact: Fact,
    rooms: { templates: TemplateLibrary; credentials: Fact | undefined; look: RoomLook | undefined },
  ): Desired {
    const generation = generationOf(fact.content);
    const base = { principal, event: fact.eventId, ...(generation === undefined ? {} : { generation }) };
    const reading = this.#reading(ASSIGNMENT, fact.content);
    if (!reading.ok) return { ...base, fault: `its assignment is wrong: ${reading.message}` };
    const assignment = reading.content;
    if (assignment.principal !== principal) return { ...base, fault: `its assignment names another principal: ${assignment.principal}` };
    const condition =
      assignment.startWhen === undefined || rooms.look === undefined ? undefined : judgeCondition(assignment.startWhen, rooms.look);
    const assigned = { ...base, generation: assignment.generation, assignment, ...(condition === undefined ? {} : { condition }) };

    const resolved = resolveSpec(assignment, rooms.templates);
    if ('fault' in resolved) return { ...assigned, fault: resolved.fault };
    const spec = condition?.holds === true ? { ...resolved.spec, trigger: condition.trigger } : resolved.spec;
    const { healthCheck } = resolved;
    const whole = { ...assigned, target: { spec, key: specKey(assignment, spec), ...(healthCheck === undefined ? {} : { healthCheck }) } };

    const given = rooms.credentials;
    if (given === undefined) return whole;
    const credentials = this.#reading(CREDENTIALS, given.content);
    if (!credentials.ok) return { ...whole, fault: `its credentials are wrong: ${credentials.message}` };
    if (credentials.content.principal !== principal)
      return { ...whole, fault: `its credentials name another principal: ${credentials.content.principal}` };
    return { ...whole, bundle: { event: given.eventId, bytes: Buffer.from(credentials.content.bundle, 'base64') } };
  }

  #reading<Schema extends EventDefinition['schema']>(
    definition: Pick<EventDefinition<Schema>, 'version' | 'schema'>,
    content: unknown,
  ): ReturnType<typeof readEvent<Schema>> {
    if (typeof content !== 'object' || content === null) return readEvent(definition, content);
    // One content is one event's, and so of one type.
    const known = this.#readings.get(content) as ReturnType<typeof readEvent<Schema>> | undefined;
    const reading = known ?? readEvent(definition, content);
    this.#readings.set(content, reading);
    return reading;
  }
}

function sameParts(a: Parts, b: Parts): boolean {
  return (
    a.event === b.event &&
    a.assignment === b.assignment &&
    a.template === b.template &&
    a.credentials === b.credentials &&
    a.bundleEvent === b.bundleEvent &&
    a.seen === b.seen &&
    a.trigger === b.trigger
  );
}

function lookFor(condition: NonNullable<AssignmentContent['startWhen']>, { look }: Facts): RoomLook {
  return look?.(condition.room, condition.type, condition.stateKey) ?? { seen: 'not a member' };
}

function byKey(facts: readonly Fact[]): ReadonlyMap<string, Fact> {
  return new Map(facts.filter(({ content }) => !isEmpty(content)).map((fact) => [fact.stateKey, fact]));
}

function generationOf(content: unknown): number | undefined {
  const found: unknown = typeof content === 'object' && content !== null && 'generation' in content ? content.generation : undefined;
  return typeof found === 'number' && Number.isSafeInteger(found) && found >= 0 ? found : undefined;
}

function isEmpty(content: unknown): boolean {
  return typeof content === 'object' && content !== null && Object.keys(content).length === 0;
}

/** The principal that a state key names, if it is one's name. */
export function principalOf(stateKey: string): PrincipalName | undefined {
  try {
    return parsePrincipalName(stateKey);
  } catch {
    return undefined;
  }
}
