// SPDX-License-Identifier: Apache-2.0
import { nearestName } from '@bureau/core';
import { TEMPLATE, readEvent, type TemplateContent } from '@bureau/protocol';
import { describeFault, type TemplateFault } from './fault.ts';
import { FIELD_NAMES, type Layer } from './fields.ts';
import { circleAbove, inheritanceOrder } from './inheritance-order.ts';
import { DEPTH_MAX, LINEAGE_MAX, NAMES_SHOWN } from './limits.ts';
import { lockFaults, lockPathFault, type Lock } from './locks.ts';
import { overlay, withoutTombstones } from './overlay.ts';

/** A template with everything that it inherits. */
export interface ResolvedTemplate {
  readonly name: string;
  readonly description: string;
  /** Everything that it is made of, in the order in which it was laid over each other; itself last. */
  readonly lineage: readonly Lineal[];
  /** What comes of them. */
  readonly fields: Layer;
  /** What holds for whoever builds on it. */
  readonly locks: readonly Lock[];
  /** Templates between it and its farthest ancestor, both counted. */
  readonly depth: number;
}

/** One template of a lineage. */
export interface Lineal {
  readonly name: string;
  readonly layer: Layer;
}

/** A template, or why it is none. */
export type Resolution =
  | { readonly ok: true; readonly template: ResolvedTemplate }
  | { readonly ok: false; readonly faults: readonly [TemplateFault, ...TemplateFault[]] };

/** The templates of one room. */
export type TemplateLibrary = ReadonlyMap<string, Resolution>;

/**
 * Resolves every template of a room; `contents` are the contents of its events by their state key, as the homeserver gave them. Nothing
 * throws: what is wrong with one is said of it and of those that inherit it, and of no other. The same contents give the same library,
 * in whatever order they come. Empty contents are no templates.
 */
export function resolveTemplates(contents: Iterable<readonly [name: string, content: unknown]>): TemplateLibrary {
  const given = [...contents].filter(([, content]) => !isEmpty(content)).toSorted(([one], [other]) => (one < other ? -1 : 1));
  const read = new Map(given.map(([name, content]) => [name, readEvent(TEMPLATE, content)]));
  const parents = new Map([...read].map(([name, reading]) => [name, inheritedBy(reading).filter((parent) => read.has(parent))]));
  const { order, rest } = inheritanceOrder(parents);
  const circular = new Set(rest);
  const library = new Map<string, Resolution>(rest.map((name) => [name, refused(circleFault(name, circleAbove(name, parents, circular)))]));
  for (const name of order) {
    const reading = read.get(name);
    if (reading === undefined) continue;
    library.set(
      name,
      reading.ok
        ? resolveOne(name, reading.content, { library, names: [...read.keys()] })
        : refused({ template: name, path: '', message: reading.message }),
    );
  }
  return library;
}

/** Why there is no template of that name, with those that there are and the nearest one. */
export function noTemplate(name: string, library: TemplateLibrary): string {
  const nearest = nearestName(name, library.keys());
  const names = [...library.keys()].slice(0, NAMES_SHOWN).map((each) => each.slice(0, 64));
  const known = `there is no template "${name}"; known: ${names.join(', ') || 'none'}`;
  return nearest === undefined ? known : `${known}; did you mean "${nearest}"?`;
}

/** What a template's own content says of its sandboxes. */
export function layerOf(content: TemplateContent): Layer {
  return Object.fromEntries(FIELD_NAMES.flatMap((name) => (content[name] === undefined ? [] : [[name, content[name]]]))) as Layer;
}

/** What is resolved so far, and everything that there is. */
interface Room {
  readonly library: TemplateLibrary;
  readonly names: readonly string[];
}

function resolveOne(name: string, content: TemplateContent, { library, names }: Room): Resolution {
  const { inherits = [], locked = [], description } = content;
  const parents: ResolvedTemplate[] = [];
  const faults: TemplateFault[] = [];
  for (const [index, parent] of inherits.entries()) {
    const resolution = library.get(parent) ?? refused(unknownFault(name, `inherits[${index}]`, parent, names));
    if (resolution.ok) parents.push(resolution.template);
    else faults.push(inherited(name, `inherits[${index}]`, resolution.faults[0]));
  }
  for (const [index, path] of locked.entries()) {
    const fault = lockPathFault(path);
    if (fault !== undefined) faults.push({ template: name, path: `locked[${index}]`, ...fault });
  }
  const depth = 1 + Math.max(0, ...parents.map((parent) => parent.depth));
  if (depth > DEPTH_MAX)
    faults.push({ template: name, path: 'inherits', message: `expected at most ${DEPTH_MAX} templates one below the other` });
  if (faults.length > 0) return refused(...(faults as [TemplateFault]));

  // Each once, where it comes first: what two parents share does not come back over what one of them said about it.
  const ancestors = new Map(parents.flatMap(({ lineage }) => lineage).map((lineal) => [lineal.name, lineal]));
  const lineage = [...ancestors.values(), { name, layer: layerOf(content) }];
  if (lineage.length > LINEAGE_MAX)
    return refused({
      template: name,
      path: 'inherits',
      message: `expected at most ${LINEAGE_MAX} templates in all, found ${lineage.length}`,
    });
  const fields = flattened(lineage);
  const inheritedLocks = uniqueLocks(parents.flatMap(({ locks }) => locks));
  const loosened = lockFaults(inheritedLocks, fields).map((fault) => ({ template: name, ...fault }));
  if (loosened.length > 0) return refused(...(loosened as [TemplateFault]));
  return {
    ok: true,
    template: {
      name,
      description,
      lineage,
      fields,
      locks: [...inheritedLocks, ...locked.map((path) => ({ path, by: name, held: fields }))],
      depth,
    },
  };
}

/** A lineage, laid over each other. */
function flattened(lineage: readonly Lineal[]): Layer {
  return withoutTombstones(lineage.reduce<Layer>((below, { layer }) => overlay(below, layer), {}));
}

function uniqueLocks(locks: readonly Lock[]): Lock[] {
  return [...new Map(locks.map((lock) => [JSON.stringify([lock.by, lock.path]), lock])).values()];
}

/** What is wrong with an ancestor is told where it is inherited, by the name of the one that has to be mended. */
function inherited(template: string, path: string, fault: TemplateFault): TemplateFault {
  if (fault.template === template) return fault;
  if (fault.culprit !== undefined) return { template, path, message: fault.message, culprit: fault.culprit };
  return { template, path, message: `it inherits ${describeFault(fault)}`, culprit: fault.template };
}

function circleFault(template: string, circle: readonly string[]): TemplateFault {
  const at = circle.indexOf(template);
  const from = at < 0 ? circle : [...circle.slice(at), ...circle.slice(0, at)];
  const way = [...from, from[0]].join(' → ');
  return at < 0
    ? { template, path: 'inherits', message: `it inherits templates that inherit themselves: ${way}` }
    : { template, path: 'inherits', message: `it would inherit itself: ${way}` };
}

function unknownFault(template: string, path: string, parent: string, names: readonly string[]): TemplateFault {
  const nearest = nearestName(
    parent,
    names.filter((name) => name !== template),
  );
  return { template, path, message: `there is no template "${parent}"`, found: parent, ...(nearest === undefined ? {} : { nearest }) };
}

function inheritedBy(reading: ReturnType<typeof readEvent<typeof TEMPLATE.schema>>): readonly string[] {
  return reading.ok ? (reading.content.inherits ?? []) : [];
}

function refused(...faults: readonly [TemplateFault, ...TemplateFault[]]): Resolution {
  return { ok: false, faults };
}

function isEmpty(content: unknown): boolean {
  return typeof content === 'object' && content !== null && Object.keys(content).length === 0;
}
