// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { writeFileAtomic, writeFileAtomicWith, type WriteCalls } from './atomic-write.ts';

function scratch(context: TestContext): string {
  const directory = fs.mkdtempSync(join(tmpdir(), 'bureau-files-'));
  context.after(() => fs.rmSync(directory, { recursive: true }));
  return directory;
}

test('writeFileAtomic writes content, mode and owner exactly, whatever the umask', (context) => {
  const directory = scratch(context);
  const path = join(directory, 'file');
  const before = process.umask(0o077);
  context.after(() => process.umask(before));
  writeFileAtomic(path, 'ünïcode', { mode: 0o664, uid: 1_234, gid: 5_678 });
  const found = fs.statSync(path);
  assert.equal(fs.readFileSync(path, 'utf8'), 'ünïcode');
  assert.deepEqual([found.mode & 0o7777, found.uid, found.gid], [0o664, 1_234, 5_678]);
  writeFileAtomic(path, Uint8Array.of(0, 255), { mode: 0o600 });
  assert.deepEqual(fs.readFileSync(path), Buffer.from([0, 255]));
  assert.deepEqual([fs.statSync(path).mode & 0o7777, fs.statSync(path).uid], [0o600, 0]);
  assert.deepEqual(fs.readdirSync(directory), ['file']);
});

test('writeFileAtomic replaces a symlink and leaves its target alone', (context) => {
  const directory = scratch(context);
  const target = join(directory, 'target');
  const path = join(directory, 'link');
  fs.writeFileSync(target, 'precious', { mode: 0o644 });
  fs.symlinkSync(target, path);
  writeFileAtomic(path, 'new', { mode: 0o600 });
  assert.equal(fs.lstatSync(path).isSymbolicLink(), false);
  assert.equal(fs.readFileSync(target, 'utf8'), 'precious');
  assert.equal(fs.readFileSync(path, 'utf8'), 'new');
});

test('writeFileAtomic breaks a hard link instead of writing through it', (context) => {
  const directory = scratch(context);
  fs.writeFileSync(join(directory, 'a'), 'old');
  fs.linkSync(join(directory, 'a'), join(directory, 'b'));
  writeFileAtomic(join(directory, 'a'), 'new', { mode: 0o600 });
  assert.equal(fs.readFileSync(join(directory, 'b'), 'utf8'), 'old');
});

test('writeFileAtomic takes the longest name that a file may have', (context) => {
  const path = join(scratch(context), 'x'.repeat(255));
  writeFileAtomic(path, 'x', { mode: 0o600 });
  assert.equal(fs.readFileSync(path, 'utf8'), 'x');
});

test('writeFileAtomic over a directory fails and leaves nothing', (context) => {
  const directory = scratch(context);
  fs.mkdirSync(join(directory, 'taken'));
  assert.throws(() => writeFileAtomic(join(directory, 'taken'), 'x', { mode: 0o600 }), {
    code: 'file_write_failed',
    data: { path: join(directory, 'taken'), step: 'rename' },
  });
  assert.deepEqual(fs.readdirSync(directory), ['taken']);
});

test('writeFileAtomic in a directory that is not there says which step failed', () => {
  assert.throws(() => writeFileAtomic('/nonexistent/bureau/file', 'x', { mode: 0o600 }), {
    code: 'file_write_failed',
    data: { path: '/nonexistent/bureau/file', step: 'create' },
  });
});

test('writeFileAtomic syncs the file before the rename and the directory after it', (context) => {
  const calls: string[] = [];
  const directory = scratch(context);
  const names = new Map<number, string>();
  const recording: WriteCalls = {
    ...fs,
    openSync: ((path: string, ...rest: [number]) => {
      const descriptor = fs.openSync(path, ...rest);
      names.set(descriptor, path === directory ? 'directory' : 'file');
      return descriptor;
    }) as typeof fs.openSync,
    fsyncSync(descriptor) {
      calls.push(`fsync ${names.get(descriptor)}`);
      fs.fsyncSync(descriptor);
    },
    renameSync(from, to) {
      calls.push('rename');
      fs.renameSync(from, to);
    },
  };
  writeFileAtomicWith(recording, join(directory, 'file'), 'x', { mode: 0o600 });
  assert.deepEqual(calls, ['fsync file', 'rename', 'fsync directory']);
});

/** Each call fails once, at each of its occurrences. */
const faults: readonly [call: keyof WriteCalls, occurrence: number][] = [
  ['openSync', 1],
  ['writeSync', 1],
  ['writeSync', 2],
  ['fchownSync', 1],
  ['fchmodSync', 1],
  ['fsyncSync', 1],
  ['closeSync', 1],
  ['openSync', 2],
  ['renameSync', 1],
];

/** node:fs that takes writes in two parts and fails at one call as a full disk does. */
function faulty(call: keyof WriteCalls, occurrence: number): WriteCalls {
  let count = 0;
  const real: WriteCalls = {
    ...fs,
    writeSync: ((descriptor: number, data: Uint8Array, offset: number, length: number) =>
      fs.writeSync(descriptor, data, offset, Math.min(length, 4))) as typeof fs.writeSync,
  };
  const original = real[call] as (...parameters: unknown[]) => unknown;
  const failing = (...parameters: unknown[]): unknown => {
    count += 1;
    if (count === occurrence) {
      // A close that reports an error has closed all the same.
      if (call === 'closeSync') original(...parameters);
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    }
    return original(...parameters);
  };
  return { ...real, [call]: failing } as WriteCalls;
}

for (const [call, occurrence] of faults) {
  test(`writeFileAtomic keeps the old content and no leftovers when ${call} fails (${occurrence})`, (context) => {
    const directory = scratch(context);
    const path = join(directory, 'file');
    fs.writeFileSync(path, 'old', { mode: 0o640 });
    const open = fs.readdirSync('/proc/self/fd').length;
    assert.throws(
      () => writeFileAtomicWith(faulty(call, occurrence), path, 'new content', { mode: 0o600, uid: 0, gid: 0 }),
      (error: Error & { code: string }) => {
        assert.equal(error.code, 'file_write_failed');
        assert.equal((error.cause as { code: string }).code, 'ENOSPC');
        assert.match(error.message, /The old content stands/);
        return true;
      },
    );
    assert.equal(fs.readFileSync(path, 'utf8'), 'old');
    assert.equal(fs.statSync(path).mode & 0o777, 0o640);
    assert.deepEqual(fs.readdirSync(directory), ['file']);
    assert.equal(fs.readdirSync('/proc/self/fd').length, open, 'no descriptor is left open');
  });
}

test('writeFileAtomic says so when only the directory could not be synced', (context) => {
  const directory = scratch(context);
  const path = join(directory, 'file');
  assert.throws(() => writeFileAtomicWith(faulty('fsyncSync', 2), path, 'new', { mode: 0o600 }), /in place, but may be lost/);
  assert.equal(fs.readFileSync(path, 'utf8'), 'new');
  assert.deepEqual(fs.readdirSync(directory), ['file']);
});

test('writeFileAtomic keeps the old content when the kernel refuses the bytes (RLIMIT_FSIZE)', (context) => {
  const directory = scratch(context);
  const path = join(directory, 'file');
  fs.writeFileSync(path, 'old');
  const program = `
    import { writeFileAtomic } from ${JSON.stringify(new URL('./atomic-write.ts', import.meta.url).href)};
    try { writeFileAtomic(${JSON.stringify(path)}, Buffer.alloc(100_000, 120), { mode: 0o600 }); } catch (error) { process.stdout.write(error.code + ' ' + error.data.step + ' ' + error.cause.code); }
  `;
  const child = spawnSync('prlimit', ['--fsize=5000', process.execPath, '--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.equal(child.stdout, 'file_write_failed write EFBIG', child.stderr);
  assert.equal(fs.readFileSync(path, 'utf8'), 'old');
  assert.deepEqual(fs.readdirSync(directory), ['file']);
});
