// SPDX-License-Identifier: Apache-2.0
import { resolveTemplates, type TemplateLibrary } from '@bureau/templates';

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

/** Holds the last library: the same events, the same library, so that what hangs on it can be kept too. */
export class TemplateCache {
  #events = '';
  #library: TemplateLibrary = new Map();

  /** The library of these events; resolved anew when one of them is another. */
  library(facts: readonly TemplateFact[]): TemplateLibrary {
    const events = facts.map(({ eventId }) => eventId).join(' ');
    if (events !== this.#events) {
      this.#library = libraryOf(facts);
      this.#events = events;
    }
    return this.#library;
  }
}
