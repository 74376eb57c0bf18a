// SPDX-License-Identifier: Apache-2.0
import { BureauError, hasCode } from '@bureau/core';
import { showOutput } from '@bureau/observe';
import { exitReport, principalName } from '@bureau/protocol';
import * as v from 'valibot';
import { connectDaemon } from '../daemon-client.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { followSize, passInput, rawTerminal } from './typing.ts';

/** `bureau observe`: an agent's terminal, live. */
export const observe: AnyOperation = defineOperation({
  name: 'observe',
  summary: 'Watch an agent’s terminal live, and help it',
  description:
    'Shows what is on the agent’s terminal and what comes; what you type goes to the agent unless --read-only. Ctrl-\\ detaches; the agent goes on. What could make your terminal type, copy or print is taken out.',
  grant: 'observe',
  input: v.strictObject({ principal: principalName, read_only: v.optional(v.boolean(), false) }),
  output: v.strictObject({ principal: principalName, detached: v.boolean(), exit: v.nullable(exitReport) }),
  fields: { principal: { help: 'the name of the agent' }, read_only: { help: 'watch only; nothing that you type reaches the agent' } },
  positionals: ['principal'],
  examples: [{ command: 'bureau observe demo/hello', shows: 'the demo agent’s terminal' }],
  async handler({ principal, read_only: readOnly }, context) {
    using daemon = await connectDaemon(context);
    const over = new AbortController();
    const onAbort = (): void => over.abort(new BureauError('detached', 'Detached'));
    context.signal.addEventListener('abort', onAbort, { once: true });
    using _raw = rawTerminal(context);
    const stream = daemon.stream('attach', { principal, attach: { mode: 'observe' } }, { signal: over.signal });
    if (context.input.isTTY === true && !readOnly) {
      passInput(context, { daemon, principal, signal: over.signal, onDetach: onAbort }).catch((error: unknown) => over.abort(error));
    } else if (context.input.isTTY === true) {
      watchDetach(context.input, onAbort);
    }
    using _size = context.input.isTTY === true && !readOnly ? followSize(context, { daemon, principal }) : undefined;
    try {
      await showOutput(stream, { output: context.json ? context.error : context.output, error: context.error });
      return { principal, detached: false, exit: await stream.result };
    } catch (error) {
      if (over.signal.aborted && hasCode(over.signal.reason, 'detached')) return { principal, detached: true, exit: null };
      throw over.signal.aborted ? over.signal.reason : error;
    } finally {
      over.abort();
      context.signal.removeEventListener('abort', onAbort);
    }
  },
  render: ({ principal, detached, exit }) =>
    detached
      ? `\ndetached from ${principal}; it goes on`
      : `\n${principal} ended (${exit?.signal ?? exit?.reason ?? `exit code ${exit?.code}`})`,
});

/** For one who only watches: Ctrl-\ and Ctrl-C detach, everything else goes nowhere. */
function watchDetach(input: NodeJS.ReadableStream, detach: () => void): void {
  input.on('data', (bytes: Buffer) => {
    if (bytes.includes(0x1c) || bytes.includes(0x03)) detach();
  });
}
