// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { readSettings, uidsOf } from '@bureau/instance';
import { TerminalSanitizer } from '@bureau/observe';
import { dropPrivileges } from '@bureau/process';
import { principalName } from '@bureau/protocol';
import * as v from 'valibot';
import { requireRoot } from '../daemon-client.ts';
import type { OperationContext } from '../registry/context.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { connectProxy, numberOf } from './proxy-admin.ts';

/** What bureau-proxy-call ends with when there was no whole answer. */
const NO_ANSWER = 3;

/** `bureau proxy call`. */
export const proxyCall: AnyOperation = defineOperation({
  name: 'proxy call',
  summary: 'Call a path on a running agent’s proxy, as the agent would',
  description:
    'The call is made under the agent’s own uid, is judged by the same rules and counted by the same limits, and stands in its access log with the mark of a person. The answer’s body goes to stdout as it comes; exit code 1 says that its status was 400 or above.',
  grant: 'proxy/call',
  input: v.strictObject({
    principal: principalName,
    method: v.pipe(v.string(), v.regex(/^[A-Z]{1,16}$/, 'expected a method such as GET')),
    path: v.pipe(v.string(), v.maxLength(8_000), v.regex(/^\/[\x21-\x7e]*$/, 'expected a path such as /v1/identity, percent-encoded')),
    data: v.optional(v.string()),
    include: v.optional(v.boolean(), false),
  }),
  output: v.strictObject({ principal: principalName, exit_code: v.number() }),
  fields: {
    principal: { help: 'the name of the agent' },
    method: { help: 'GET, POST, …' },
    path: { help: 'a path of its proxy: /v1/identity, /v1/http/SERVICE/…' },
    data: { help: 'a body of JSON; "-" reads it from stdin', short: 'd', placeholder: 'JSON' },
    include: { help: 'print status and headers first', short: 'i' },
  },
  positionals: ['principal', 'method', 'path'],
  examples: [
    { command: 'bureau proxy call demo/hello GET /v1/services', shows: 'what this agent may reach' },
    { command: 'bureau proxy call demo/hello GET /v1/http/github/user -i', shows: 'whether its key works' },
  ],
  ownOutput: true,
  async handler({ principal, method, path, data, include }, context) {
    requireRoot(context);
    const number = numberOf(principal, context);
    const traceId = randomBytes(16).toString('hex');
    {
      using proxy = await connectProxy(principal, number, context);
      await proxy.call('announceCall', { traceId });
    }
    const flags = [
      '-s',
      context.paths.principal(number).proxySocket,
      '-H',
      `traceparent: 00-${traceId}-${randomBytes(8).toString('hex')}-01`,
    ];
    if (include) flags.push('-i');
    // By a pipe: what a body holds must not stand in a list of processes.
    if (data !== undefined) flags.push('-d', '-');
    const uid = uidsOf(readSettings(context.paths).uidBase).payload(number);
    const program = dropPrivileges(uid, `${context.buildDirectory}/inside/bureau-proxy-call`, [...flags, method, path]);
    return { principal, exit_code: await runCall(program, data, context) };
  },
  exitCode: ({ exit_code: code }) => code,
});

async function runCall(
  { command, args }: { readonly command: string; readonly args: readonly string[] },
  data: string | undefined,
  context: OperationContext,
): Promise<number> {
  const { output, error, signal } = context;
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: {}, cwd: '/', signal });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', (reason) => (signal.aborted ? resolve(NO_ANSWER) : reject(reason)));
    child.once('close', (code) => resolve(code ?? NO_ANSWER));
  });
  const body = data === '-' ? context.input : Readable.from(data === undefined ? [] : [data]);
  // A proxy that answers early does not read the rest.
  const sent = pipeline(body, child.stdin).catch(() => undefined);
  child.stderr.pipe(error, { end: false });
  const sanitizer = output.isTTY === true ? new TerminalSanitizer() : undefined;
  for await (const piece of child.stdout as AsyncIterable<Buffer>) output.write(sanitizer === undefined ? piece : sanitizer.push(piece));
  const code = await ended;
  if (data === '-') context.input.destroy();
  await sent;
  return code;
}
