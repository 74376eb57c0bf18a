// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { BureauError, UsageError, describeError, hasCode, parseDuration, sleep, type PrincipalName } from '@bureau/core';
import { showOutput } from '@bureau/observe';
import { exitReport, principalName, templateName, type ExitReport } from '@bureau/protocol';
import * as v from 'valibot';
import { clearAssignment, writeAssignment } from '../assignments.ts';
import { connectDaemon, type DaemonClient } from '../daemon-client.ts';
import { openOperator, type Operator } from '../operator.ts';
import { ensurePrincipal } from '../principals.ts';
import type { OperationContext } from '../registry/context.ts';
import { EXIT_CODES } from '../registry/exit-codes.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { parseEnvironment } from './deploy.ts';
import { describeLimits } from './describe.ts';
import { exitCodeOf } from './exit-code.ts';
import { followSize, passInput, rawTerminal, sizeOf } from './typing.ts';
import { copyIn, copyOut } from './workspace-copy.ts';

/** A sandbox that nobody can reach by then is given up: its start takes a proxy and a relay. */
const START_MILLISECONDS = 60_000;
/** The payload gets 5 s after TERM; then everything of it is killed. */
const END_MILLISECONDS = 20_000;
/** The launcher tells what the kernel counted when nothing of the sandbox is left, some 20 ms after the payload's end. */
const LIMITS_MILLISECONDS = 3_000;

/** `bureau run`: a fresh sandbox for one command, like `docker run`. */
export const run: AnyOperation = defineOperation({
  name: 'run',
  summary: 'Run one command in a fresh sandbox as a principal',
  description:
    'Output is streamed, stdin passed on; the exit code is the command’s (128+n on signal n; 124 when the time was up, 125 when Bureau failed, 126 and 127 as in a shell). The sandbox lives as long as this command line: Ctrl-C goes to the command on a terminal and ends the sandbox otherwise; Ctrl-\\ ends the sandbox.',
  grant: 'run',
  input: v.strictObject({
    principal: principalName,
    command: v.pipe(v.array(v.string()), v.minLength(1, 'expected a command: bureau run <principal> -- CMD…')),
    template: v.optional(templateName, 'default'),
    timeout: v.optional(v.string()),
    tty: v.optional(v.boolean()),
    env: v.optional(v.array(v.string()), []),
    workspace: v.optional(v.string()),
  }),
  output: v.strictObject({ principal: principalName, exit: exitReport, exit_code: v.number() }),
  fields: {
    principal: { help: 'whom to run as, such as probe/one; its account is made when it is new' },
    command: { help: 'the command and its arguments', placeholder: 'CMD' },
    template: { help: 'the template to run it by', placeholder: 'NAME' },
    timeout: { help: 'end it after this long, with exit code 124', placeholder: 'DURATION' },
    tty: { help: 'give it a terminal; default: when stdin and stdout are one', negatable: true },
    env: { help: 'an environment variable for it (may be repeated)', placeholder: 'NAME=VALUE', short: 'e' },
    workspace: { help: 'copy this directory into /workspace before, and what changed back afterwards', placeholder: 'DIR' },
  },
  positionals: ['principal'],
  rest: 'command',
  examples: [
    {
      command: "bureau run probe/one -- sh -c 'curl -s --unix-socket /proxy.sock http://bureau/v1/identity; id; ls /'",
      shows: 'who a sandbox is and what it sees',
    },
    { command: 'bureau run probe/one --workspace . --timeout 5m -- make test', shows: 'a build without a network, its results back here' },
  ],
  async handler(input, context) {
    const timeout = input.timeout === undefined ? undefined : parseDuration(input.timeout);
    if (timeout === 0) throw new UsageError('invalid_duration', 'Expected a time limit above zero');
    const environment = parseEnvironment(input.env);
    const tty = input.tty ?? (context.input.isTTY === true && context.output.isTTY === true && !context.json);
    const { principal } = input;
    using daemon = await connectDaemon(context);
    const operator = openOperator(context);
    const id = randomBytes(10).toString('hex');
    const lease = daemon.stream('run', { principal, run: id });
    const states = lease[Symbol.asyncIterator]();
    // The first word of the lease says that the daemon has taken it. Nothing was written before, so nothing is taken away when it did not.
    await states.next();
    let stands = false;
    try {
      await ensurePrincipal(operator, principal, context);
      await writeAssignment(
        operator,
        { v: 1, principal, template: input.template, command: input.command, environment, restart: 'never', run: { id, terminal: tty } },
        context.signal,
      );
      await started(states, principal, context);
      stands = true;
      // The payload stands still until we attach: its files are there before its first instruction.
      if (input.workspace !== undefined) await copyIn(input.workspace, principal, context);
      const exit = await withLimits(await converse(daemon, principal, tty, timeout, context), states, context);
      if (exit.limits !== undefined) context.progress(`"${principal}": ${describeLimits(exit)}`);
      return { principal, exit, exit_code: exit.reason === TIMED_OUT ? EXIT_CODES.timeout : exitCodeOf(exit) };
    } finally {
      lease.cancel();
      await tidy(daemon, operator, principal, context);
      if (input.workspace !== undefined && stands) await copyOut(input.workspace, principal, context);
    }
  },
  render: () => '',
  exitCode: ({ exit_code }) => exit_code,
});

/** Marks an exit report that our own time limit brought about. */
const TIMED_OUT = 'timeout';

/** Resolves when an observer can attach. Throws `blocked` with the machine's reason. */
async function started(
  states: AsyncIterator<{ state: string; message?: string | undefined }>,
  principal: PrincipalName,
  context: OperationContext,
): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = context.clock.setTimer(START_MILLISECONDS, () =>
    reject(new BureauError('deadline_exceeded', `"${principal}" did not start within ${START_MILLISECONDS / 1_000} s`)),
  );
  const onAbort = (): void => reject(context.signal.reason);
  context.signal.addEventListener('abort', onAbort, { once: true });
  try {
    for (;;) {
      const { value, done } = await Promise.race([states.next(), late]);
      if (done === true) throw new BureauError('connection_lost', 'The daemon went away before the sandbox stood');
      if (value.state === 'blocked')
        throw new BureauError('blocked', `"${principal}" cannot run: ${value.message ?? 'no reason given'}`, { data: { principal } });
      if (value.state === 'starting' || value.state === 'running') return;
      // It stands still until we attach: an end before that was somebody else's doing, and no other start follows.
      if (value.state === 'exited') {
        throw new BureauError('payload_ended', `The sandbox of "${principal}" was ended before its command ran; run it again`, {
          data: { principal },
        });
      }
    }
  } finally {
    timer.clear();
    context.signal.removeEventListener('abort', onAbort);
  }
}

/** What the kernel counted comes from the launcher, a moment after the relay's own report; a good end is not kept waiting for it. */
async function withLimits(
  exit: ExitReport,
  states: AsyncIterator<{ exit?: ExitReport | undefined }>,
  { clock }: OperationContext,
): Promise<ExitReport> {
  if (exit.code === 0 || exit.reason === TIMED_OUT) return exit;
  const over = new AbortController();
  const told = async (): Promise<ExitReport | undefined> => {
    for (;;) {
      const { value, done } = await states.next();
      if (done === true || value.exit !== undefined) return value?.exit;
    }
  };
  const late = sleep(clock, LIMITS_MILLISECONDS, over.signal).catch(() => undefined);
  const counted = await Promise.race([told().catch(() => undefined), late]);
  over.abort();
  return counted?.limits === undefined ? exit : { ...exit, limits: counted.limits };
}

/** Output out, input in, until the payload has ended, the time is up, or the caller wants no more. */
async function converse(
  daemon: DaemonClient,
  principal: PrincipalName,
  tty: boolean,
  timeout: number | undefined,
  context: OperationContext,
): Promise<ExitReport> {
  const over = new AbortController();
  const stop = (reason: unknown): void => over.abort(reason);
  const onAbort = (): void => stop(context.signal.reason);
  context.signal.addEventListener('abort', onAbort, { once: true });
  const timer =
    timeout === undefined ? undefined : context.clock.setTimer(timeout, () => stop(new BureauError(TIMED_OUT, 'The time is up')));
  using _raw = tty ? rawTerminal(context) : undefined;
  const stream = daemon.stream(
    'attach',
    { principal, attach: { mode: 'control', ...(tty ? sizeOf(context.output) : {}) } },
    { signal: over.signal },
  );
  const typing = passInput(context, {
    daemon,
    principal,
    signal: over.signal,
    ...(tty ? { onDetach: () => stop(new BureauError('interrupted', 'Ended by Ctrl-\\')) } : {}),
  });
  typing.catch((error: unknown) => stop(error));
  using _size = tty ? followSize(context, { daemon, principal }) : undefined;
  try {
    // With --json the result alone goes to stdout; the payload's output still has a place to go.
    await showOutput(stream, { output: context.json ? context.error : context.output, error: context.error });
    return await stream.result;
  } catch (error) {
    if (over.signal.aborted && hasCode(over.signal.reason, TIMED_OUT)) return { code: null, signal: null, reason: TIMED_OUT };
    throw over.signal.aborted ? over.signal.reason : error;
  } finally {
    stop(new BureauError('cancelled', 'The payload has ended'));
    timer?.clear();
    context.signal.removeEventListener('abort', onAbort);
  }
}

/** Takes the assignment away and waits until nothing of the sandbox is left; what goes wrong here is told, never hides the result. */
async function tidy(daemon: DaemonClient, operator: Operator, principal: PrincipalName, context: OperationContext): Promise<void> {
  try {
    await clearAssignment(operator, principal);
    await daemon.call(
      'wait',
      { principal, state: 'absent', milliseconds: END_MILLISECONDS },
      { deadlineMilliseconds: END_MILLISECONDS + 1_000 },
    );
  } catch (error) {
    context.progress(`the sandbox of ${principal} was not tidied up: ${describeError(error)}; the daemon ends it when it is back`);
  }
}
