// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import { tryLockFile } from './index.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync('/tmp/native-');
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

test('tryLockFile() is null while held, in the same process too, and free after dispose, twice is once', () => {
  const lock = tryLockFile(`${directory}/lock`);
  assert.ok(lock);
  assert.equal(tryLockFile(`${directory}/lock`), null);
  lock[Symbol.dispose]();
  lock[Symbol.dispose]();
  using again = tryLockFile(`${directory}/lock`);
  assert.ok(again);
});

test('tryLockFile() makes the file 0600, an existing one too', () => {
  using _ = tryLockFile(`${directory}/new`);
  writeFileSync(`${directory}/old`, '');
  chmodSync(`${directory}/old`, 0o666);
  using _old = tryLockFile(`${directory}/old`);
  assert.deepEqual([statSync(`${directory}/new`).mode & 0o777, statSync(`${directory}/old`).mode & 0o777], [0o600, 0o600]);
});

test('tryLockFile() sees another process hold it, and gets it when that one is killed', async () => {
  const path = `${directory}/lock`;
  const script = `import { tryLockFile } from ${JSON.stringify(import.meta.resolve('./index.ts'))};
    globalThis.lock = tryLockFile(process.argv[1]); process.stdout.write(lock ? 'held' : 'not'); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = (await once(holder.stdout, 'data')) as [Buffer];
  assert.equal(said.toString(), 'held');
  assert.equal(tryLockFile(path), null);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  using lock = tryLockFile(path);
  assert.ok(lock);
});

test('tryLockFile() is not kept by a child that outlives the holder', async () => {
  const lock = tryLockFile(`${directory}/lock`);
  const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
  lock?.[Symbol.dispose]();
  using again = tryLockFile(`${directory}/lock`);
  assert.ok(again);
  child.kill('SIGKILL');
  await once(child, 'exit');
});

test('tryLockFile() does not follow a symlink', () => {
  writeFileSync(`${directory}/target`, '', { mode: 0o644 });
  symlinkSync(`${directory}/target`, `${directory}/lock`);
  assert.throws(() => tryLockFile(`${directory}/lock`), { code: 'ELOOP' });
  assert.equal(statSync(`${directory}/target`).mode & 0o777, 0o644);
});
