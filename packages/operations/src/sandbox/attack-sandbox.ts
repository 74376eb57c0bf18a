// SPDX-License-Identifier: Apache-2.0
import { Readable, Writable } from 'node:stream';
import { BureauError, parsePrincipalName, type PrincipalName } from '@bureau/core';
import { attackCommand, parseOutcomes, PORTABLE_ATTACKS, type AttackFacts, type AttackOutcome } from '@bureau/escape';
import { principalName, templateName } from '@bureau/protocol';
import * as v from 'valibot';
import { run } from '../agents/run.ts';
import { textTable } from '../matrix/text-table.ts';
import type { OperationContext } from '../registry/context.ts';
import { EXIT_CODES } from '../registry/exit-codes.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { startHostTraps } from './host-traps.ts';

/** Attacks that this machine can stand: none leaves a program of root's in a workspace. */
const ATTACKS = PORTABLE_ATTACKS.filter(({ needsPlanted }) => needsPlanted !== true);

/** Most of the printed outcomes; what is above is not ours. */
const OUTPUT_MAX_BYTES = 1024 * 1024;
/** Attacks that wait for an answer that must not come take a second or two each; a slow machine many times as long. */
const TIMEOUT = '5m';

const attackReport = v.strictObject({
  name: v.string(),
  /** Its number in docs/security/escape-suite.md. */
  test: v.number(),
  title: v.string(),
  guard: v.string(),
  verdict: v.picklist(['refused', 'succeeded', 'broken']),
  detail: v.string(),
});
const testReport = v.strictObject({
  ok: v.boolean(),
  attacks: v.array(attackReport),
  refused: v.number(),
  succeeded: v.number(),
  broken: v.number(),
});

/** `bureau sandbox test`: the escape suite's attacks from inside, on this very machine. */
export const sandboxTest: AnyOperation = defineOperation({
  name: 'sandbox test',
  summary: 'Attack a fresh sandbox on this machine from inside, and say what held',
  description:
    'Runs the attacks of docs/security/escape-suite.md that need no help from outside, with pipes and again on a terminal, as a principal of its own, with listeners and a process on the host that must not be reached. Nothing is changed on the host. Exit code 1 when any attack succeeds, or could not be tried. Needs /usr/bin/python3 in the sandbox. The positive controls (the same attacks with a guard taken away) are in script/test escape.',
  grant: 'sandbox/test',
  input: v.strictObject({
    principal: v.optional(principalName, parsePrincipalName('sandbox/test')),
    template: v.optional(templateName, 'default'),
  }),
  output: testReport,
  fields: {
    principal: { help: 'whom to attack as; its account is made when it is new; default: sandbox/test', placeholder: 'NAME' },
    template: { help: 'the template to test', placeholder: 'NAME' },
  },
  positionals: [],
  examples: [
    { command: 'bureau sandbox test', shows: 'a table of attacks, the guard that stops each, and what came of it' },
    { command: 'bureau sandbox test --template models --json', shows: 'the same for the mounts and the profile of a template' },
  ],
  async handler({ principal, template }, context) {
    await using traps = await startHostTraps(context.paths);
    // What leaks differs with what stands on 0 to 2: pipes, then a terminal.
    const outcomes: ReadonlyMap<string, AttackOutcome>[] = [];
    for (const tty of [false, true]) {
      context.progress(tty ? 'attacking on a terminal' : 'attacking with pipes');
      outcomes.push(await attackOnce({ principal, template, tty }, traps.facts, context));
    }
    const attacks = ATTACKS.map(({ name, test, title, guard }) => ({ name, test, title, guard, ...worst(outcomes, name) }));
    const count = (wanted: string): number => attacks.filter(({ verdict }) => verdict === wanted).length;
    const [refused, succeeded, broken] = [count('refused'), count('succeeded'), count('broken')];
    return { ok: refused === attacks.length, attacks, refused, succeeded, broken };
  },
  render({ attacks, refused, succeeded, broken }) {
    const rows = attacks.map(({ test, name, guard, verdict, detail }) => [
      `${test}`,
      name,
      verdict === 'refused' ? 'refused' : verdict.toUpperCase(),
      verdict === 'refused' ? guard : detail,
    ]);
    const counts = `${attacks.length} attacks, ${refused} refused, ${succeeded} succeeded, ${broken} could not be tried`;
    return `${textTable(['TEST', 'ATTACK', 'VERDICT', 'GUARD, OR WHAT IT GOT'], rows, '')}\n${counts}`;
  },
  exitCode: ({ ok }) => (ok ? EXIT_CODES.ok : EXIT_CODES.failed),
});

/** One sandbox, all attacks. Throws `sandbox_silent` when it said nothing at all. */
async function attackOnce(
  how: { readonly principal: PrincipalName; readonly template: string; readonly tty: boolean },
  facts: AttackFacts,
  context: OperationContext,
): Promise<ReadonlyMap<string, AttackOutcome>> {
  const printed = new Capture();
  const input = { ...how, command: attackCommand(ATTACKS, facts), timeout: TIMEOUT, env: [] };
  await run.handler(input as never, { ...context, input: Readable.from([]), output: printed, json: false });
  if (printed.text === '')
    throw new BureauError(
      'sandbox_silent',
      `Expected the attacks to say what came of them, and "${how.principal}" printed nothing; see its log`,
    );
  return parseOutcomes(ATTACKS, printed.text);
}

/** What counts of several tries: one that succeeded, else one that could not be made. */
function worst(tries: readonly ReadonlyMap<string, AttackOutcome>[], name: string): AttackOutcome {
  const all = tries.map((outcomes) => outcomes.get(name) ?? { verdict: 'broken' as const, detail: 'not tried' });
  const found = (['succeeded', 'broken', 'refused'] as const).flatMap(
    (verdict) => all.find((outcome) => outcome.verdict === verdict) ?? [],
  );
  return found[0] ?? { verdict: 'broken', detail: 'not tried' };
}

/** Keeps what is written to it, up to a bound. */
class Capture extends Writable {
  text = '';

  override _write(piece: Buffer | string, _encoding: BufferEncoding, done: () => void): void {
    if (this.text.length < OUTPUT_MAX_BYTES) this.text += piece.toString();
    done();
  }
}
