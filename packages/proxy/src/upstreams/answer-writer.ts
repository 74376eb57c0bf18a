// SPDX-License-Identifier: Apache-2.0
import type { ServerResponse } from 'node:http';
import type { Needle } from '../injection/needles.ts';
import type { RawHeaders } from './answer-sink.ts';
import { BodyRedactor } from './body-redactor.ts';

/** Bodies up to this size leave in one write with their head: Node joins strings, not bytes. */
const JOINED_BYTES = 8_192;

/**
 * An upstream's answer on its way to the agent. The head leaves with what came together with it: if that breaks, nothing was answered yet.
 *  Each piece of the body leaves as a piece of its own, and as a copy: what it was read into is used
 * again while it waits.
 */
export class AnswerWriter {
  readonly #response: ServerResponse;
  #status = 0;
  #head: string[] | undefined;
  #sent = false;
  #pending: Buffer[] = [];
  #redactor: BodyRedactor | undefined;
  #bytes = 0;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  /** 0 before the head. */
  get status(): number {
    return this.#status;
  }

  /** The head is on its way: what fails now can only cut the connection. */
  get sent(): boolean {
    return this.#sent;
  }

  /** Of the body, as far as it came. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes the head as it is to go out. */
  head(status: number, headers: string[]): void {
    this.#status = status;
    this.#head = headers;
  }

  /** From now on the needles are blanked in the body. */
  blank(needles: readonly Needle[]): void {
    if (needles.length > 0) this.#redactor = new BodyRedactor(needles);
  }

  /** Takes a piece of the body; it must stay as it is until the next `flush` or `end` returns. */
  data(piece: Buffer): void {
    this.#bytes += piece.length;
    const bytes = this.#redactor === undefined ? piece : this.#redactor.push(piece);
    if (bytes.length > 0) this.#pending.push(bytes);
  }

  /** Sends what there is. `false`: the agent takes no more until the response says `drain`. */
  flush(): boolean {
    if (this.#status === 0) return true;
    const isFirst = !this.#sent;
    this.#sendHead();
    const last = this.#sendAllButLast();
    if (last !== undefined) return this.#response.write(Buffer.from(last));
    if (isFirst) this.#response.flushHeaders();
    return true;
  }

  /** Sends what is left, and the end. */
  end(trailers: RawHeaders): void {
    const response = this.#response;
    const held = this.#redactor?.end();
    if (held !== undefined && held.length > 0) this.#pending.push(held);
    this.#sendHead();
    const last = this.#sendAllButLast();
    if (trailers.length > 0) response.addTrailers(pairsOf(trailers));
    if (last === undefined) response.end();
    else if (last.length <= JOINED_BYTES) response.end(last.toString('latin1'), 'latin1');
    else response.end(Buffer.from(last));
  }

  #sendHead(): void {
    if (this.#head === undefined) return;
    this.#sent = true;
    this.#response.writeHead(this.#status, this.#head);
    this.#head = undefined;
  }

  /** Gives the last piece, which may leave in one write with the end. */
  #sendAllButLast(): Buffer | undefined {
    const pieces = this.#pending;
    const last = pieces.pop();
    if (pieces.length === 0) return last;
    this.#pending = [];
    for (const piece of pieces) this.#response.write(Buffer.from(piece));
    return last;
  }
}

function pairsOf(flat: RawHeaders): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [flat[index * 2] as string, flat[index * 2 + 1] as string]);
}
