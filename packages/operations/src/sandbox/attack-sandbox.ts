// SPDX-License-Identifier: Apache-2.0
import { Readable, Writable } from 'node:stream';
import { BureauError, parsePrincipalName } from '@bureau/core';
import { attackCommand, parseOutcomes, PORTABLE_ATTACKS } from '@bureau/escape';
import { principalName, templateName } from '@bureau/protocol';
import * as v from 'valibot';
import { run } from '../agents/run.ts';
import { textTable } from '../matrix/text-table.ts';
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
    'Runs the attacks of docs/security/escape-suite.md that need no help from outside as a principal of its own, with listeners and a process on the host that must not be reached. Nothing is changed on the host. Exit code 1 when any attack succeeds, or could not be tried. Needs /usr/bin/python3 in the sandbox. The positive controls (the same attacks with a guard taken away) are in script/test escape.',
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
    const printed = new Capture();
    await run.handler(
      { principal, template, command: attackCommand(ATTACKS, traps.facts), timeout: TIMEOUT, tty: false, env: [] } as never,
      {
        ...context,
        input: Readable.from([]),
        output: printed,
        json: false,
      },
    );
    if (printed.text === '')
      throw new BureauError(
        'sandbox_silent',
        `Expected the attacks to say what came of them, and "${principal}" printed nothing; see its log`,
      );
    const outcomes = parseOutcomes(ATTACKS, printed.text);
    const attacks = ATTACKS.map(({ name, test, title, guard }) => {
      const { verdict, detail } = outcomes.get(name) ?? { verdict: 'broken' as const, detail: 'not tried' };
      return { name, test, title, guard, verdict, detail };
    });
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

/** Keeps what is written to it, up to a bound. */
class Capture extends Writable {
  text = '';

  override _write(piece: Buffer | string, _encoding: BufferEncoding, done: () => void): void {
    if (this.text.length < OUTPUT_MAX_BYTES) this.text += piece.toString();
    done();
  }
}
