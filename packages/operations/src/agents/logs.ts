// SPDX-License-Identifier: Apache-2.0
import { createReadStream, existsSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { BureauError, hasCode } from '@bureau/core';
import { PrincipalNumbers } from '@bureau/instance';
import { TerminalSanitizer, showOutput } from '@bureau/observe';
import { principalName } from '@bureau/protocol';
import * as v from 'valibot';
import { connectDaemon, requireRoot } from '../daemon-client.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import type { OperationContext } from '../registry/context.ts';

/** `bureau agent logs`: what an agent wrote, also after its end. */
export const agentLogs: AnyOperation = defineOperation({
  name: 'agent logs',
  summary: 'Show what an agent wrote to its terminal, also after it ended',
  description:
    'The newest 4 to 8 MiB are kept for each principal, over restarts. On a terminal, what could make it type, copy or print is taken out; otherwise the bytes come as they were written.',
  grant: 'agent/logs',
  input: v.strictObject({ principal: principalName, follow: v.optional(v.boolean(), false) }),
  output: v.strictObject({ principal: principalName }),
  fields: { principal: { help: 'the name of the agent' }, follow: { help: 'go on with what comes, until it ends or Ctrl-C', short: 'f' } },
  positionals: ['principal'],
  examples: [{ command: 'bureau agent logs -f demo/hello', shows: 'the demo agent’s output as it comes' }],
  async handler({ principal, follow }, context) {
    requireRoot(context);
    const number = new PrincipalNumbers(context.paths.numbersFile).find(principal);
    const file = number === undefined ? undefined : context.paths.outputLog(number);
    if (file === undefined || !existsSync(file)) {
      throw new BureauError('not_found', `"${principal}" has never run on this machine; see "bureau agent list"`, { data: { principal } });
    }
    if (!follow) await printFile(file, context);
    else await followLive(principal, context, file);
    return { principal };
  },
  render: () => '',
});

async function printFile(file: string, context: OperationContext): Promise<void> {
  const target = context.json ? context.error : context.output;
  const raw = createReadStream(file);
  if (context.output.isTTY !== true) return pipeline(raw, target, { end: false, signal: context.signal });
  const sanitizer = new TerminalSanitizer();
  await pipeline(
    raw,
    async function* (pieces: AsyncIterable<Buffer>) {
      for await (const piece of pieces) yield sanitizer.push(piece);
    },
    target,
    { end: false, signal: context.signal },
  );
}

/** What the relay still has, then what comes; the file, when nothing runs. */
async function followLive(principal: v.InferOutput<typeof principalName>, context: OperationContext, file: string): Promise<void> {
  using daemon = await connectDaemon(context);
  const stream = daemon.stream('attach', { principal, attach: { mode: 'observe' } }, { signal: context.signal });
  try {
    await showOutput(stream, { output: context.json ? context.error : context.output, error: context.error });
  } catch (error) {
    if (context.signal.aborted) return;
    if (!hasCode(error, 'not_running')) throw error;
    await printFile(file, context);
  }
}
