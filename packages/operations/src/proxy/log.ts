// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { existsSync, watch } from 'node:fs';
import { BureauError, parseDuration } from '@bureau/core';
import { integer, principalName, type AccessLine } from '@bureau/protocol';
import * as v from 'valibot';
import { requireRoot } from '../daemon-client.ts';
import type { OperationContext } from '../registry/context.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { AccessLogReader } from './access-log-reader.ts';
import { accessText } from './access-text.ts';
import { numberOf } from './proxy-admin.ts';

/** Lines that may be asked for from the end: they wait in memory. */
const TAIL_MAX = 100_000;

/** `bureau proxy log`. */
export const proxyLog: AnyOperation = defineOperation({
  name: 'proxy log',
  summary: 'Show what an agent asked its proxy for, also after it ended',
  description:
    'One line per request: when, what was answered, to which service or host, by which rule, how long and how much. Never a key, a query, a header or a body. The newest 56 to 64 MiB are kept for each principal, over restarts.',
  grant: 'proxy/log',
  input: v.strictObject({
    principal: principalName,
    follow: v.optional(v.boolean(), false),
    since: v.optional(v.string()),
    tail: v.optional(integer(0, TAIL_MAX)),
  }),
  output: v.strictObject({ principal: principalName, lines: v.number() }),
  fields: {
    principal: { help: 'the name of the agent' },
    follow: { help: 'go on with what comes, until Ctrl-C', short: 'f' },
    since: { help: 'only what is not older', placeholder: 'DURATION' },
    tail: { help: `only the last N lines, up to ${TAIL_MAX}, before what follows`, placeholder: 'N' },
  },
  positionals: ['principal'],
  examples: [
    { command: 'bureau proxy log demo/hello --tail 20 -f', shows: 'the last requests, and each new one as it ends' },
    { command: 'bureau proxy log demo/hello --json | jq "select(.status == 403)"', shows: 'what was denied, with the rule' },
  ],
  ownOutput: true,
  async handler({ principal, follow, since, tail }, context) {
    requireRoot(context);
    const directory = context.paths.accessLogDirectory(numberOf(principal, context));
    if (!existsSync(directory)) throw new BureauError('not_found', `"${principal}" has no access log yet; its proxy makes one`);
    const oldest = since === undefined ? '' : new Date(context.clock.now() - parseDuration(since)).toISOString();
    const reader = new AccessLogReader(directory);
    // Before the first read, so that nothing falls between the two.
    const changes = follow ? watch(directory) : undefined;
    let lines = 0;
    try {
      for (const line of lastOf(recent(reader.read(), oldest), tail)) lines += await put(line, context);
      while (changes !== undefined && !context.signal.aborted) {
        const changed = once(changes, 'change', { signal: context.signal }).catch(() => undefined);
        for (const line of reader.read()) lines += await put(line, context);
        await changed;
      }
    } finally {
      changes?.close();
    }
    if (reader.malformed > 0) context.progress(`${reader.malformed} lines could not be read and were left out`);
    return { principal, lines };
  },
});

function* recent(lines: Iterable<AccessLine>, oldest: string): Generator<AccessLine> {
  for (const line of lines) if (line.time >= oldest) yield line;
}

function* lastOf(lines: Iterable<AccessLine>, most: number | undefined): Generator<AccessLine> {
  if (most === undefined) return yield* lines;
  let kept: AccessLine[] = [];
  for (const line of lines) {
    kept.push(line);
    if (kept.length > 2 * most + 1) kept = kept.slice(kept.length - most);
  }
  yield* most === 0 ? [] : kept.slice(-most);
}

/** A reader that is slow holds the reading, not our memory. */
async function put(line: AccessLine, { output, json, signal }: OperationContext): Promise<number> {
  if (!output.write(`${json ? JSON.stringify(line) : accessText(line)}\n`)) await once(output, 'drain', { signal }).catch(() => undefined);
  return 1;
}
