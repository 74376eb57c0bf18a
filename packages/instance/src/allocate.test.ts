// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parseInstanceName } from '@bureau/core';
import { tryLockFile } from '@bureau/native';
import { allocateUidBase, releaseUidBase, type AllocateOptions } from './allocate.ts';

const first = parseInstanceName('');
const second = parseInstanceName('two');

function machine(context: TestContext, files: Readonly<Record<string, string>> = {}): AllocateOptions & { uidsFile: string } {
  const directory = fs.mkdtempSync(join(tmpdir(), 'bureau-uids-'));
  context.after(() => fs.rmSync(directory, { recursive: true }));
  for (const [name, content] of Object.entries(files)) fs.writeFileSync(join(directory, name), content);
  return { uidsFile: join(directory, 'bureau', 'uids'), accountsDirectory: directory };
}

test('allocateUidBase gives each instance a range of its own, the same each time', (context) => {
  const options = machine(context);
  assert.equal(allocateUidBase(first, options), 200_000);
  assert.equal(allocateUidBase(second, options), 265_536);
  assert.equal(allocateUidBase(first, options), 200_000);
  assert.match(fs.readFileSync(options.uidsFile, 'utf8'), /^#[^\n]*\n200000 -\n265536 two\n$/);
  assert.equal(fs.statSync(options.uidsFile).mode & 0o777, 0o644);
});

for (const [file, content] of [
  ['passwd', 'ann:x:200100:1::/:/bin/sh\n'],
  ['group', 'ann:x:200100:\n'],
  ['subuid', 'ann:165536:65536\n'],
  ['subgid', 'ann:165536:65536\n'],
] as const) {
  test(`allocateUidBase passes over what ${file} has, and refuses a recorded range that ${file} took later`, (context) => {
    const options = machine(context, { [file]: content });
    assert.equal(allocateUidBase(first, options), 265_536);
    fs.writeFileSync(join(options.accountsDirectory ?? '', file), content.replace('200100', '265600').replace('165536', '300000'));
    assert.throws(() => allocateUidBase(first, options), { code: 'uid_collision', message: /ann.*--purge/ });
    assert.equal(allocateUidBase(second, options), 200_000);
  });
}

test('allocateUidBase refuses a corrupt record and leaves it as it is', (context) => {
  const options = machine(context);
  allocateUidBase(first, options);
  fs.appendFileSync(options.uidsFile, '2655');
  const before = fs.readFileSync(options.uidsFile);
  assert.throws(() => allocateUidBase(second, options), { code: 'uids_malformed' });
  assert.throws(() => releaseUidBase(first, options), { code: 'uids_malformed' });
  assert.deepEqual(fs.readFileSync(options.uidsFile), before);
});

test('allocateUidBase gives up on a lock that somebody holds, and works after it', (context) => {
  const options = machine(context);
  allocateUidBase(first, options);
  {
    using held = tryLockFile(`${options.uidsFile}.lock`);
    assert.ok(held);
    assert.throws(() => allocateUidBase(second, { ...options, lockWait: 30 }), { code: 'uids_busy' });
  }
  assert.equal(allocateUidBase(second, options), 265_536);
});

test('allocateUidBase gives processes that call at once different ranges', async (context) => {
  const options = machine(context);
  const module = JSON.stringify(new URL('./allocate.ts', import.meta.url).href);
  const allocate = (name: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const program = `import { allocateUidBase } from ${module}; process.stdout.write(String(allocateUidBase(${JSON.stringify(name)}, ${JSON.stringify(options)})));`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      child.on('error', reject);
      child.on('close', () => resolve(output));
    });
  const bases = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(allocate));
  assert.deepEqual(bases.toSorted(), ['200000', '265536', '331072', '396608', '462144']);
});

test('releaseUidBase gives the range to the next instance, and does nothing twice', (context) => {
  const options = machine(context);
  allocateUidBase(first, options);
  releaseUidBase(first, options);
  releaseUidBase(first, options);
  assert.equal(allocateUidBase(second, options), 200_000);
});
