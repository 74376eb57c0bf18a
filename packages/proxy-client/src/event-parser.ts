// SPDX-License-Identifier: Apache-2.0
import { EVENT_BYTES_MAX } from './limits.ts';

/** One event of a stream (HTML, 9.2.6). */
export interface ServerEvent {
  /** `message` when the server named none. */
  readonly type: string;
  readonly data: string;
  /** The last one that was given, for `Last-Event-ID`; empty when none was. */
  readonly id: string;
}

/** Takes the text of an event stream in any pieces and gives the events that are complete. */
export class EventParser {
  #rest = '';
  #type = '';
  #data: string[] = [];
  #id = '';
  /** Milliseconds that the server asked to wait before another try, when it did. */
  retry: number | undefined;

  /** The identifier of the last complete event. */
  lastId = '';

  /** Throws `RangeError` for an event that is too long. */
  push(text: string): ServerEvent[] {
    this.#rest += text;
    const events: ServerEvent[] = [];
    for (let end = lineEnd(this.#rest); end !== undefined; end = lineEnd(this.#rest)) {
      const event = this.#line(this.#rest.slice(0, end.at));
      this.#rest = this.#rest.slice(end.next);
      if (event !== undefined) events.push(event);
    }
    const held = this.#rest.length + this.#data.reduce((sum, part) => sum + part.length, 0);
    if (held > EVENT_BYTES_MAX) throw new RangeError(`Expected an event of at most ${EVENT_BYTES_MAX} characters, found more`);
    return events;
  }

  #line(line: string): ServerEvent | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#type = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^[0-9]{1,9}$/.test(value)) this.retry = Number(value);
    return undefined;
  }

  #dispatch(): ServerEvent | undefined {
    this.lastId = this.#id;
    const event = { type: this.#type === '' ? 'message' : this.#type, data: this.#data.join('\n'), id: this.#id };
    const has = this.#data.length > 0;
    this.#type = '';
    this.#data = [];
    return has ? event : undefined;
  }
}

/** Where the first line ends. A last CR may be half of CR LF: then the rest is waited for. */
function lineEnd(text: string): { readonly at: number; readonly next: number } | undefined {
  const at = text.search(/[\r\n]/);
  if (at === -1 || (text[at] === '\r' && at === text.length - 1)) return undefined;
  return { at, next: text[at] === '\r' && text[at + 1] === '\n' ? at + 2 : at + 1 };
}
