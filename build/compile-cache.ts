// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

/** `main.ts --version` of an application must end within this; it only loads code. */
const WARM_MILLISECONDS = 20_000;

/** Node keeps a cache per uid; these get a link to root's. Others run without a cache, which is only slower. */
const LINKED = { firstUid: 200_000, uidsPerInstance: 65_536, instances: 4, principals: 128 };

/**
 * Fills `<build>/compile-cache` with V8's code of every application and makes it readable, not writable, for every uid.
 * Returns a line for each application that did not end well (its code is then compiled at each start).
 *
 * Node names the folder of a cache by version, processor, V8 flags and uid (`…-0` for root) and writes files 0600: a process of
 * another uid finds root's only through a link of its own name. Its failing writes are silent.
 */
export function warmCompileCache(build: string, applications: readonly string[]): string[] {
  const cache = join(build, 'compile-cache');
  rmSync(cache, { recursive: true, force: true });
  mkdirSync(cache, { mode: 0o755 });
  const problems = applications.flatMap((application) => {
    const result = spawnSync(join(build, 'bin/node'), [join(build, 'lib', `${application}.js`), '--version'], {
      env: { PATH: '/usr/bin:/bin', NODE_COMPILE_CACHE: cache },
      cwd: '/',
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: WARM_MILLISECONDS,
      encoding: 'utf8',
    });
    if (result.status === 0) return [];
    const reason =
      result.error?.message ??
      result.stderr
        .trim()
        .split('\n')
        .find((line) => /error/i.test(line)) ??
      `exit code ${result.status}`;
    return [`apps/${application} --version failed (${reason}); it must print its version and end with 0`];
  });
  for (const folder of readdirSync(cache)) {
    chmodSync(join(cache, folder), 0o755);
    for (const file of readdirSync(join(cache, folder))) chmodSync(join(cache, folder, file), 0o644);
    linkForOtherUids(cache, folder);
  }
  return problems;
}

function linkForOtherUids(cache: string, folder: string): void {
  const root = /^(.*)-0$/.exec(folder)?.[1];
  if (root === undefined) return;
  for (let instance = 0; instance < LINKED.instances; instance += 1) {
    const base = LINKED.firstUid + instance * LINKED.uidsPerInstance;
    for (const offset of [0, 1, ...Array.from({ length: 2 * LINKED.principals }, (_, index) => 16 + index)]) {
      const link = join(cache, `${root}-${base + offset}`);
      if (!existsSync(link)) symlinkSync(folder, link);
    }
  }
}
