// SPDX-License-Identifier: Apache-2.0
import { resolveTemplates, type Resolution, type TemplateLibrary } from '@bureau/templates';

/** A template event as the room has it. */
interface TemplateFact {
  readonly stateKey: string;
  readonly eventId: string;
  readonly content: unknown;
  readonly distrust?: string;
}

/** The templates of a room, resolved; those that are not believed say why. */
function libraryOf(facts: readonly TemplateFact[]): TemplateLibrary {
  const library = resolveTemplates(facts.map(({ stateKey, content }) => [stateKey, content] as const));
  const distrusted = facts.flatMap(({ stateKey, distrust }) =>
    distrust === undefined || !library.has(stateKey) ? [] : [[stateKey, refusedTemplate(stateKey, distrust)] as const],
  );
  return distrusted.length === 0 ? library : new Map([...library, ...distrusted]);
}

/**
 * Holds the last library: the same events, the same library. After a change, a template that nothing has changed about is the same object
 * as before, so that what hangs on it can be kept too.
 */
export class TemplateCache {
  #key = '';
  #events: ReadonlyMap<string, string> = new Map();
  #library: TemplateLibrary = new Map();

  /** The library of these events; resolved anew when one of them is another. */
  library(facts: readonly TemplateFact[]): TemplateLibrary {
    const key = facts.map(({ eventId, distrust = '' }) => `${eventId} ${distrust}`).join('\n');
    if (key === this.#key) return this.#library;
    const events = new Map(facts.map(({ stateKey, eventId }) => [stateKey, eventId]));
    this.#library = new Map([...libraryOf(facts)].map(([name, found]) => [name, this.#unchanged(name, found, events)]));
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

function refusedTemplate(template: string, message: string): Resolution {
  return { ok: false, faults: [{ template, path: '', message }] };
}
