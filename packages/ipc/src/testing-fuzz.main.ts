// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { CORPUS_DIRECTORY, formatCorpus } from './testing-corpus.ts';
import { checkBody, checkStream, cut, framed, outcomeOf } from './testing-fuzz.ts';
import { damagedBytes, msgpackBytes } from './testing-msgpack.ts';

/*
 * Looks for bytes on which the codec is wrong, for some seconds, with a seed of the hour or the given one:
 *   script/node packages/ipc/src/testing-fuzz.main.ts SECONDS [--seed NUMBER]
 * What it finds goes, made small, to packages/ipc/corpus/found-….hex: correct the codec, write what is expected into that file, commit
 * both. Exit code 1 then.
 */
const { positionals, values } = parseArgs({ allowPositionals: true, options: { seed: { type: 'string' } } });
const until = performance.now() + Number(positionals[0] ?? '10') * 1_000;
let seed = Number(values.seed ?? Date.now() % 2 ** 31);
/** Inputs of each kind before the next seed. */
const BATCH = 5_000;
/** Longest input: beyond the sizes where the decoder changes its buffers. */
const RAW_BYTES = 5_000;

const raw = fc.uint8Array({ minLength: 1, maxLength: RAW_BYTES }).map((bytes) => Buffer.from(bytes));
const streams = fc
  .tuple(fc.array(damagedBytes.map(framed), { maxLength: 12 }), raw)
  .map(([frames, rest]) => Buffer.concat([...frames, rest]));

function look(
  name: string,
  bytes: fc.Arbitrary<Buffer>,
  check: (bytes: Buffer, places: readonly number[]) => void,
  frame: (bytes: Buffer) => Buffer,
): boolean {
  const places = fc.array(fc.nat(), { maxLength: 12 });
  const details = fc.check(fc.property(bytes, places, check), { numRuns: BATCH, seed });
  if (!details.failed || details.counterexample === null) return false;
  const stream = frame(details.counterexample[0]);
  const file = join(CORPUS_DIRECTORY, `found-${createHash('sha256').update(stream).digest('hex').slice(0, 12)}.hex`);
  writeFileSync(
    file,
    formatCorpus(`${name}, seed ${seed}: ${String(details.errorInstance)}`.split('\n')[0] ?? name, { values: [], end: 'whole' }, stream),
  );
  process.stdout.write(`FOUND ${name}, seed ${seed}: ${file}\n${String(details.errorInstance)}\n`);
  process.stdout.write(`in pieces: ${JSON.stringify(cut(stream, details.counterexample[1]).map((piece) => outcomeOf([piece]).end))}\n`);
  return true;
}

const kinds: readonly (readonly [string, fc.Arbitrary<Buffer>, typeof checkStream, (bytes: Buffer) => Buffer])[] = [
  ['random bytes', raw, checkBody, framed],
  ['values', msgpackBytes, checkBody, framed],
  ['damaged values', damagedBytes, checkBody, framed],
  ['streams', streams, checkStream, (bytes) => bytes],
];
let inputs = 0;
while (performance.now() < until && process.exitCode === undefined) {
  for (const kind of kinds) if (look(...kind)) process.exitCode = 1;
  inputs += BATCH * kinds.length;
  seed += 1;
}
process.stdout.write(`${inputs} inputs, last seed ${seed - 1}\n`);
