// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/**
 * What was read for docs/adr/0008-node-ipc.md: package, who asks for it, its code files, and one hash over them. npm's linked install
 * checks no integrity of its own.
 */
const READ: readonly (readonly [name: string, askedBy: string | undefined, files: number, sha256: string])[] = [
  ['node-ipc', undefined, 9, '60b883b29980b9d5fad77eb7b90340f0cdd1bd2c4894ca118966e93df00c7108'],
  ['event-pubsub', 'node-ipc', 2, 'f6a58b2dbad2d85271c6efc02fe24c031c20fa9314ea8c5d0bc0adaa42ecdf89'],
  ['strong-type', 'event-pubsub', 3, '66e437f5266f9c1889dfeabac7ba9ac2ed606b9a5089bb09a857a57cc8aa299e'],
  ['js-queue', 'node-ipc', 4, '7a8178d207fe27892b6674de9d6965d1e7b765f9a619ed0f3e5b94c194f5da4c'],
  ['easy-stack', 'js-queue', 4, 'f747300b520012245186e82648e46a4af28f28cc38608d02c964dd0071abce2d'],
  ['js-message', 'node-ipc', 4, 'b548bf264494564bd85797bb8ad5a5fc86e94cd42d2334dea0006ffb6685de42'],
];

test('the code of node-ipc and of all that it brings is, byte for byte, what was read', () => {
  const entries = new Map<string, string>();
  for (const [name, askedBy, files, sha256] of READ) {
    const entry =
      askedBy === undefined ? fileURLToPath(import.meta.resolve(name)) : createRequire(entries.get(askedBy) ?? '').resolve(name);
    entries.set(name, entry);
    const found = codeOf(dirname(entry));
    assert.deepEqual([name, found.files, found.sha256], [name, files, sha256]);
    const dependencies = Object.keys(found.manifest.dependencies ?? {});
    assert.deepEqual(dependencies.toSorted(), READ.flatMap(([other, by]) => (by === name ? [other] : [])).toSorted(), `${name} asks for`);
    const scripts = Object.keys(found.manifest.scripts ?? {});
    assert.deepEqual(
      scripts.filter((script) => /^((pre|post)?install|prepare)$/.test(script)),
      [],
      `${name} runs nothing when it is installed`,
    );
  }
});

interface Code {
  readonly files: number;
  readonly sha256: string;
  readonly manifest: { readonly dependencies?: object; readonly scripts?: object };
}

/** Everything in a package that Node could run, and its manifest. */
function codeOf(folder: string): Code {
  const files = globSync('**/*.{js,cjs,mjs,node,json,wasm,sh}', { cwd: folder }).toSorted();
  const hash = createHash('sha256');
  for (const file of files)
    hash.update(
      `${file}\0${createHash('sha256')
        .update(readFileSync(join(folder, file)))
        .digest('hex')}\n`,
    );
  return {
    files: files.length,
    sha256: hash.digest('hex'),
    manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Code['manifest'],
  };
}
