// SPDX-License-Identifier: Apache-2.0
import { resolveTemplates, type Resolution, type TemplateLibrary } from '@bureau/templates';

/** A template event as the room has it. */
interface TemplateFact {
  readonly stateKey: string;
  readonly eventId: string;
  readonly content: unknown;
}

/** The templates of a room, resolved. */
export function libraryOf(facts: readonly TemplateFact[]): TemplateLibrary {
  return resolveTemplates(facts.map(({ stateKey, content }) => [stateKey, content] as const));
}

/**
 * Holds the last library: the same events, the same library. After a change, a template that nothing has changed about is the same object
 * as before, so that what hangs on it can be kept too.
 */
export class TemplateCache {
  #key = '';
  #events: ReadonlyMap<string, string> = new Map();
  #library: TemplateLibrary = new Map();

  /** The library of these events; `distrust` says why none of them is believed. */
  library(facts: readonly TemplateFact[], distrust?: string): TemplateLibrary {
    const key = [distrust ?? '', ...facts.map(({ eventId }) => eventId)].join(' ');
    if (key === this.#key) return this.#library;
    const events = new Map(facts.map(({ stateKey, eventId }) => [stateKey, eventId]));
    const library = libraryOf(facts);
    this.#library =
      distrust === undefined
        ? new Map([...library].map(([name, found]) => [name, this.#unchanged(name, found, events)]))
        : distrusted(library, distrust);
    this.#events = events;
    this.#key = key;
    return this.#library;
  }

  /** The object of before, when each template that it is made of is of the same event. */
  #unchanged(name: string, found: Resolution, events: ReadonlyMap<string, string>): Resolution {
    const before = this.#library.get(name);
    if (!found.ok || before?.ok !== true) return found;
    const { lineage } = found.template;
    const same = lineage.every((each, index) => {
      const event = events.get(each.name);
      return before.template.lineage[index]?.name === each.name && event !== undefined && event === this.#events.get(each.name);
    });
    return same && before.template.lineage.length === lineage.length ? before : found;
  }
}

function distrusted(library: TemplateLibrary, message: string): TemplateLibrary {
  return new Map([...library.keys()].map((name) => [name, { ok: false, faults: [{ template: name, path: '', message }] }]));
}
