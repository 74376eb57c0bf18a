// SPDX-License-Identifier: Apache-2.0
import { describeError, type Clock, type PrincipalName, type Timer, type UserId } from '@bureau/core';
import type { Logger } from '@bureau/log';
import type { PrincipalStatus } from '@bureau/protocol';
import { principalOf } from './desired.ts';
import {
  STATUS_BURST,
  STATUS_ECHO_MILLISECONDS,
  STATUS_LATEST_MILLISECONDS,
  STATUS_PER_SECOND,
  STATUS_SETTLE_MILLISECONDS,
} from './limits.ts';
import { publishPause } from './publish-pause.ts';

/** The content of one status event; empty: nothing is said of the principal any more. */
export type PublishedStatus = ({ readonly v: 1 } & PrincipalStatus) | Readonly<Record<string, never>>;

export interface StatusPublisherDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly publish: (principal: PrincipalName, content: PublishedStatus) => Promise<void>;
  /** What the room holds of this machine's own words, as far as it is known; asked at each report, since the first view may be old. */
  readonly published: () => ReadonlyMap<PrincipalName, unknown>;
}

/** A difference between what is so and what the room says. */
interface Difference {
  readonly content: PublishedStatus;
  /** When it began, and when it took its present form. */
  readonly since: number;
  readonly changed: number;
}

const NOTHING = {};
/** Instead of what the room has: an answer is missing. */
const UNKNOWN = 'unknown';

/**
 * Keeps one status event for each principal true. A status is sent when it has come to rest, or when it has kept changing for long; sends are
 * spaced, so that a machine that starts a hundred principals sends a hundred events and no more, without being throttled by the homeserver.
 */
export class StatusPublisher {
  readonly #deps: StatusPublisherDeps;
  readonly #differences = new Map<PrincipalName, Difference>();
  /** What this publisher sent and the room has not shown yet. */
  readonly #sent = new Map<PrincipalName, { readonly text: string; readonly expires: number }>();
  readonly #texts = new WeakMap<object, string>();
  readonly #contents = new Map<PrincipalName, { readonly plain: string; readonly content: PublishedStatus }>();
  #wanted: readonly PrincipalStatus[] = [];
  #timer: Timer | undefined;
  #sending = false;
  #tokens = STATUS_BURST;
  #refilled: number;
  #notBefore = 0;
  /** Failures in a row; only the first is told, since an outage may last for days. */
  #failures = 0;

  constructor(deps: StatusPublisherDeps) {
    this.#deps = deps;
    this.#refilled = deps.clock.monotonic();
  }

  /** Takes what is said of all principals now. */
  report(statuses: readonly PrincipalStatus[]): void {
    this.#wanted = statuses;
    const now = this.#deps.clock.monotonic();
    const published = this.#published(now);
    const wanted = new Map<PrincipalName, PublishedStatus>(statuses.map((status) => [status.principal, this.#contentOf(status)]));
    for (const principal of published.keys()) if (!wanted.has(principal)) wanted.set(principal, NOTHING);
    for (const [principal, content] of wanted) {
      const text = this.#textOf(content);
      if (text === (published.get(principal) ?? '{}')) {
        this.#differences.delete(principal);
        continue;
      }
      const before = this.#differences.get(principal);
      if (before !== undefined && this.#textOf(before.content) === text) continue;
      this.#differences.set(principal, { content, since: before?.since ?? now, changed: now });
    }
    for (const principal of this.#contents.keys()) if (!wanted.has(principal)) this.#contents.delete(principal);
    for (const principal of this.#differences.keys()) if (!wanted.has(principal)) this.#differences.delete(principal);
    this.#schedule();
  }

  /** Ends it; what was not sent is not sent. */
  close(): void {
    this.#timer?.clear();
    this.#sending = true;
  }

  /** What the room has, by what it shows and what was sent since. */
  #published(now: number): ReadonlyMap<PrincipalName, string> {
    const published = new Map([...this.#deps.published()].map(([principal, content]) => [principal, this.#textOf(content)]));
    for (const [principal, { text, expires }] of this.#sent) {
      const isShown = (published.get(principal) ?? '{}') === text;
      // What is not shown after so long was overtaken: by a word of the daemon before that was still on its way.
      if (isShown || (expires <= now && text !== UNKNOWN)) this.#sent.delete(principal);
      else published.set(principal, text);
    }
    return published;
  }

  /** The same status, the same object: most of a thousand are what they were a round ago. */
  #contentOf(status: PrincipalStatus): PublishedStatus {
    const plain = JSON.stringify(status);
    const before = this.#contents.get(status.principal);
    if (before?.plain === plain) return before.content;
    const content = { v: 1, ...status } as const;
    this.#contents.set(status.principal, { plain, content });
    return content;
  }

  /** An event's content is the same object as long as it stands. */
  #textOf(content: unknown): string {
    if (typeof content !== 'object' || content === null) return canonical(content);
    const known = this.#texts.get(content) ?? canonical(content);
    this.#texts.set(content, known);
    return known;
  }

  #schedule(): void {
    this.#timer?.clear();
    this.#timer = undefined;
    if (this.#sending) return;
    const now = this.#deps.clock.monotonic();
    if (this.#differences.size === 0) {
      if (this.#sent.size > 0) this.#timer = this.#deps.clock.setTimer(STATUS_ECHO_MILLISECONDS, () => this.report(this.#wanted));
      return;
    }
    const due = Math.min(...[...this.#differences.values()].map(dueAt));
    this.#refill(now);
    const token = this.#tokens >= 1 ? now : now + Math.ceil(((1 - this.#tokens) * 1_000) / STATUS_PER_SECOND);
    this.#timer = this.#deps.clock.setTimer(Math.max(0, Math.max(due, token, this.#notBefore) - now), () => {
      this.#timer = undefined;
      void this.#send();
    });
  }

  #refill(now: number): void {
    this.#tokens = Math.min(STATUS_BURST, this.#tokens + (Math.max(0, now - this.#refilled) * STATUS_PER_SECOND) / 1_000);
    this.#refilled = now;
  }

  async #send(): Promise<void> {
    const { clock, logger, publish } = this.#deps;
    const now = clock.monotonic();
    const next = [...this.#differences].filter(([, each]) => dueAt(each) <= now).toSorted(([, a], [, b]) => a.since - b.since)[0];
    if (next === undefined) return this.#schedule();
    const [principal, { content }] = next;
    this.#sending = true;
    this.#tokens -= 1;
    const text = canonical(content);
    const expires = now + STATUS_ECHO_MILLISECONDS;
    // Until it is answered nobody knows which of the two the room has; what is reported meanwhile differs from both.
    this.#sent.set(principal, { text: UNKNOWN, expires });
    try {
      await publish(principal, content);
      this.#failures = 0;
      this.#sent.set(principal, { text, expires });
      const since = this.#differences.get(principal);
      if (since !== undefined && canonical(since.content) === text) this.#differences.delete(principal);
      else if (since !== undefined) this.#differences.set(principal, { ...since, since: clock.monotonic() });
    } catch (error) {
      const pause = publishPause(error);
      this.#notBefore = clock.monotonic() + pause;
      this.#failures += 1;
      if (this.#failures === 1) logger.warn({ error: describeError(error), pause }, 'a status was not published; trying again');
    } finally {
      this.#sending = false;
    }
    this.#schedule();
  }
}

function dueAt({ since, changed }: Difference): number {
  return Math.min(changed + STATUS_SETTLE_MILLISECONDS, since + STATUS_LATEST_MILLISECONDS);
}

/** The same content, the same text, in whatever order a homeserver gives its fields back. */
function canonical(content: unknown): string {
  return JSON.stringify(content, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/** What a room holds of this machine's own words about principals, as its members may read it: nobody else's count. */
export function ownStatuses(
  facts: readonly { readonly stateKey: string; readonly sender: string; readonly content: unknown }[],
  machine: UserId,
): Map<PrincipalName, unknown> {
  const own = facts.filter(({ sender, content }) => sender === machine && !isEmpty(content));
  const words = new Map<PrincipalName, unknown>();
  for (const { stateKey, content } of own) {
    const principal = principalOf(stateKey);
    if (principal !== undefined) words.set(principal, content);
  }
  return words;
}

function isEmpty(content: unknown): boolean {
  return typeof content !== 'object' || content === null || Object.keys(content).length === 0;
}
