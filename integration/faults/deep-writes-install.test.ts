// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHECKOUT, runCommand, WriteFaults } from '@bureau/testkit';

/** Files and directories of a build, three writes each at most. */
const WRITES_MAX = 300;
const INSTALL_MILLISECONDS = 60_000;

for (const code of ['ENOSPC', 'EROFS', 'SIGKILL'] as const)
  test(`${code} at each write of script/install: no half build has a build’s name and mark, the next one is whole`, async (t) => {
    const place = mkdtempSync(join(tmpdir(), 'bureau-install-'));
    t.after(() => rmSync(place, { recursive: true, force: true }));
    chmodSync(place, 0o755);
    const library = join(place, 'library');
    const faults = new WriteFaults(place, [library]);
    for (let known = 0; ; known += 1) {
      assert.ok(known < WRITES_MAX, faults.failed().join('\n'));
      faults.set({ program: 'install.ts', code });
      const {
        code: exit,
        stdout,
        stderr,
      } = await runCommand(`${CHECKOUT}/script/node`, ['--import', faults.preload, `${CHECKOUT}/build/install.ts`], {
        env: { BUREAU_LIBRARY_DIR: library },
        timeoutMilliseconds: INSTALL_MILLISECONDS,
      });
      faults.clear();
      const point = faults.failed()[known];
      if (point === undefined) {
        assert.equal(exit, 0, stderr);
        const version = await runCommand(join(library, stdout.trim(), 'bin/node'), [
          join(library, stdout.trim(), 'lib/cli.js'),
          '--version',
        ]);
        assert.equal(version.stdout, `bureau ${stdout.trim()}\n`);
        t.diagnostic(`${known} writes`);
        assert.ok(known > 20, faults.failed().join('\n'));
        return;
      }
      assert.notEqual(exit, 0, point);
      assert.equal(stdout, '', point);
      if (code !== 'SIGKILL')
        assert.match(stderr, new RegExp(`^script/install: ${code}: .*${library}.*Make room.*run it again`, 'm'), point);
      for (const name of existsSync(library) ? readdirSync(library) : [])
        assert.equal(existsSync(join(library, name, '.complete')), false, `${point}: ${name}`);
    }
  });
