// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { BureauError, hasCode, describeError, sleep, type Clock, type RoomId } from '@bureau/core';
import type { Logger } from '@bureau/log';
import type { DatabaseSync } from 'node:sqlite';
import { DurableDatabase, type StoreFault } from './durable-database.ts';
import { OUTBOX_MAX, SENT_KEPT } from './limits.ts';
import { retryPause } from './retry-pause.ts';

/** A message that must be neither lost nor doubled. */
export interface Message {
  readonly room: RoomId;
  readonly type: string;
  readonly content: Readonly<Record<string, unknown>>;
  /** What makes it this message: the same key is the same message, after a restart as well. */
  readonly key: string;
}

export interface OutboxDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Sends it, in its turn; throws as `HomeserverLink` does. */
  readonly send: (message: Message, transaction: string) => Promise<string>;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS message (number INTEGER PRIMARY KEY, transaction_id TEXT NOT NULL UNIQUE, room TEXT NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL, content TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS sent (number INTEGER PRIMARY KEY, transaction_id TEXT NOT NULL UNIQUE) STRICT;
`;
/** Passing troubles of the homeserver; anything else will not be cured by waiting. */
const PASSING: readonly string[] = ['homeserver_unreachable', 'homeserver_garbled', 'rate_limited', 'queue_full'];

/**
 * Messages on their way to rooms, on disk until the homeserver has them. Each is sent with a transaction ID made of its key, so that one
 * that was sent right before a crash is the same event when it is sent again; and what was sent is remembered, so that whoever asks for
 * the same message later changes nothing. Where the disk cannot be written it works from memory, and it is told so.
 */
export class Outbox {
  readonly #database: DurableDatabase;
  readonly #deps: OutboxDeps;
  readonly #waiting = new Map<string, Message>();
  /** Known to be sent, although the disk could not be told. */
  readonly #sent = new Set<string>();

  constructor(path: string, fault: StoreFault, deps: OutboxDeps) {
    this.#database = new DurableDatabase({ path, schema: SCHEMA, subject: 'The outbox', fault, afterPowerFailure: 'all' });
    this.#deps = deps;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Sends what an earlier process left behind. */
  start(): void {
    const rows = this.#database.attempt((database) => database.prepare('SELECT * FROM message ORDER BY number').all()) ?? [];
    for (const row of rows) {
      const transaction = String(row['transaction_id']);
      if (this.#waiting.has(transaction)) continue;
      const message = messageOf(row);
      this.#waiting.set(transaction, message);
      void this.#deliver(message, transaction);
    }
  }

  /** Takes a message; it is on disk when this returns. Whoever posted the same key before has posted it. Throws `outbox_full`. */
  post(message: Message): void {
    const transaction = transactionOf(message);
    if (this.#waiting.has(transaction) || this.#wasSent(transaction)) return;
    if (this.#waiting.size >= OUTBOX_MAX)
      throw new BureauError(
        'outbox_full',
        `Expected at most ${OUTBOX_MAX} messages that wait for the homeserver; see "bureau machine status"`,
      );
    this.#database.write((database) => {
      database
        .prepare('INSERT INTO message (transaction_id, room, type, key, content) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING')
        .run(transaction, message.room, message.type, message.key, JSON.stringify(message.content));
    });
    this.#waiting.set(transaction, message);
    void this.#deliver(message, transaction);
  }

  close(): void {
    this.#database.close();
  }

  async #deliver(message: Message, transaction: string): Promise<void> {
    const { clock, logger, signal, send } = this.#deps;
    for (let failures = 1; !signal.aborted; failures += 1) {
      let pause = 0;
      try {
        await send(message, transaction);
        this.#settle(transaction);
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!PASSING.some((code) => hasCode(error, code))) {
          // A new login carries on with what is on disk.
          if (!hasCode(error, 'logged_out')) this.#settle(transaction);
          logger.error({ room: message.room, type: message.type, error: describeError(error) }, 'a message was refused and is not sent');
          return;
        }
        pause = retryPause(error, failures);
      }
      await sleep(clock, pause, signal).catch(() => undefined);
    }
  }

  #settle(transaction: string): void {
    this.#waiting.delete(transaction);
    const written = this.#database.write((database) => {
      database.prepare('DELETE FROM message WHERE transaction_id = ?').run(transaction);
      database.prepare('INSERT INTO sent (transaction_id) VALUES (?) ON CONFLICT DO NOTHING').run(transaction);
      database.prepare('DELETE FROM sent WHERE number <= (SELECT max(number) FROM sent) - ?').run(SENT_KEPT);
    });
    if (!written && this.#sent.size < SENT_KEPT) this.#sent.add(transaction);
  }

  #wasSent(transaction: string): boolean {
    if (this.#sent.has(transaction)) return true;
    const look = (database: DatabaseSync): boolean =>
      database.prepare('SELECT 1 FROM sent WHERE transaction_id = ?').get(transaction) !== undefined;
    return this.#database.attempt(look) ?? false;
  }
}

/** The same for the same room, type and key, whenever it is made. */
function transactionOf({ room, type, key }: Message): string {
  return `bureau-${createHash('sha256')
    .update(JSON.stringify([room, type, key]))
    .digest('base64url')
    .slice(0, 40)}`;
}

function messageOf(row: Readonly<Record<string, unknown>>): Message {
  return {
    room: String(row['room']) as RoomId,
    type: String(row['type']),
    key: String(row['key']),
    content: JSON.parse(String(row['content'])) as Message['content'],
  };
}
