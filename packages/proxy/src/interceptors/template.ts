// SPDX-License-Identifier: Apache-2.0
import { fillPlaceholders, placeholdersIn } from '@bureau/protocol';
import { InterceptionFailure } from './failure.ts';

/** What the placeholders of a template stand for. */
export interface TemplateValues {
  /** The principal. */
  readonly agent: string;
  /** What the `*`s of the path pattern stand for. */
  readonly path: readonly string[];
  /** The answer's body, where the template speaks of it. */
  readonly response: Readonly<Record<string, unknown>> | undefined;
}

type Content = Readonly<Record<string, unknown>>;

/** Deepest nesting of a field of an answer that is taken over. */
const DEPTH_MOST = 16;
const WHOLE = /^\$\{response\.([^{}]*)\}$/;

/** True when the template speaks of the answer's body. */
export function wantsResponse(template: unknown): boolean {
  if (typeof template === 'string') return placeholdersIn(template).some((name) => name.startsWith('response.'));
  return typeof template === 'object' && template !== null && Object.values(template).some(wantsResponse);
}

/**
 * The content of an event. Only strings of the template change, and each into one value: a text that holds nothing but `${response.field}` into that field as
 * it is, everything else into text. So nothing that a path or an answer says can name a field. Without `m.mentions` of its own it mentions
 * nobody: clients would read names in the text otherwise. Throws `response_too_deep`.
 */
export function expand(template: Content, values: TemplateValues): Content {
  const content = expandObject(template, values);
  return Object.hasOwn(content, 'm.mentions') ? content : { ...content, 'm.mentions': {} };
}

function expandObject(template: object, values: TemplateValues): Content {
  return Object.fromEntries(Object.entries(template).map(([key, value]) => [key, expandValue(value, values)]));
}

function expandValue(value: unknown, values: TemplateValues): unknown {
  if (typeof value === 'string') return expandText(value, values);
  if (Array.isArray(value)) return value.map((each) => expandValue(each, values));
  return typeof value === 'object' && value !== null ? expandObject(value, values) : value;
}

function expandText(text: string, values: TemplateValues): unknown {
  const field = WHOLE.exec(text)?.[1];
  if (field !== undefined) return canonical(fieldOf(values, field) ?? null, DEPTH_MOST);
  return fillPlaceholders(text, (name) => valueOf(name, values)).toWellFormed();
}

function valueOf(name: string, values: TemplateValues): string {
  if (name === 'agent') return values.agent;
  if (name === 'agent_display') return values.agent.slice(values.agent.lastIndexOf('/') + 1);
  if (name.startsWith('path.')) return values.path[Number(name.slice('path.'.length)) - 1] ?? '';
  const value = canonical(fieldOf(values, name.slice('response.'.length)) ?? '', DEPTH_MOST);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function fieldOf({ response }: TemplateValues, field: string): unknown {
  return response !== undefined && Object.hasOwn(response, field) ? response[field] : undefined;
}

/** As Matrix takes it: https://spec.matrix.org/v1.16/appendices/#canonical-json has neither fractions nor halves of characters. */
function canonical(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) throw new InterceptionFailure('response_too_deep');
  if (Array.isArray(value)) return value.map((each) => canonical(each, depth - 1));
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key.toWellFormed(), canonical(each, depth - 1)]));
}
