// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { test } from 'node:test';
import { reapChild } from './index.ts';

/** Runs the code in a process of its own (these attributes stay for life), with `limits` of prlimit(1), and returns what it printed. */
function inOwnProcess(code: string, ...limits: readonly string[]): string {
  const script = `import * as native from ${JSON.stringify(import.meta.resolve('./index.ts'))}; import { readFileSync } from 'node:fs';
    import { spawnSync } from 'node:child_process'; ${code}`;
  const result = spawnSync('/usr/bin/prlimit', [...limits, process.execPath, '--input-type=module', '-e', script], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  assert.equal(result.status, 0);
  return result.stdout.trim();
}

test('setDumpable(false) makes /proc/PID of a process of another uid belong to root', () => {
  const owner = `const { statSync } = await import('node:fs'); const uid = () => statSync('/proc/self/environ').uid;
    process.setgid(65534); process.setuid(65534); native.setDumpable(true); const before = uid(); native.setDumpable(false); console.log(before, uid());`;
  assert.equal(inOwnProcess(owner), '65534 0');
});

test('disableCoreDumps() sets both limits to zero, and children inherit it', () => {
  const limit = inOwnProcess(
    `native.disableCoreDumps(); console.log(spawnSync('/bin/sh', ['-c', 'ulimit -Hc; ulimit -Sc']).stdout.toString());`,
  );
  assert.equal(limit, '0\n0');
});

test('setNoNewPrivileges() holds for what is spawned afterwards', () => {
  const status = `const flag = () => /NoNewPrivs:\\s(.)/.exec(spawnSync('/bin/cat', ['/proc/self/status']).stdout.toString())[1];
    const before = flag(); native.setNoNewPrivileges(); console.log(before, flag());`;
  assert.equal(inOwnProcess(status), '0 1');
});

test('setChildSubreaper() adopts a double-forked orphan', () => {
  const adopt = (call: string): string =>
    inOwnProcess(`${call}
      const orphan = Number(spawnSync('/bin/sh', ['-c', 'sleep 60 >/dev/null 2>&1 & echo $!']).stdout.toString());
      const parent = () => Number(/PPid:\\s+(\\d+)/.exec(readFileSync('/proc/' + orphan + '/status', 'utf8'))[1]);
      console.log(parent() === process.pid); process.kill(orphan, 'SIGKILL');`);
  assert.equal(adopt(''), 'false');
  assert.equal(adopt('native.setChildSubreaper();'), 'true');
});

test('setParentDeathSignal() ends a child whose parent is killed', async () => {
  const child = `import { setParentDeathSignal } from ${JSON.stringify(import.meta.resolve('./index.ts'))};
    setParentDeathSignal(${constants.signals.SIGKILL}); process.stdout.write(String(process.pid)); setInterval(() => {}, 1000);`;
  const parent = `require('node:child_process').spawn(process.execPath, ['--input-type=module', '-e', ${JSON.stringify(child)}], { stdio: ['ignore', 1, 2] });`;
  const started = spawn(process.execPath, ['-e', parent], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(started.stdout, 'end'); // the pipe ends when both have gone
  const [pid] = (await once(started.stdout, 'data')) as [Buffer];
  assert.match(pid.toString(), /^\d+$/);
  started.kill('SIGKILL');
  await ended;
});

test('a refused call names call and errno', () => {
  const refused = `try { native.setParentDeathSignal(1000); } catch (error) { console.log(error.code, error.data.call, error.data.errno); }`;
  assert.equal(inOwnProcess(refused), 'system_call_failed prctl(PR_SET_PDEATHSIG) EINVAL');
});

test('lockMemory() locks the pages of a buffer, says false above the limit, and the process still ends well', () => {
  const locked = `const kib = () => Number(/VmLck:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
    const before = kib(); const ok = native.lockMemory(Buffer.allocUnsafeSlow(64 * 1024)); console.log(before, ok, kib() >= 64);
    process.setuid(65534); console.log(native.lockMemory(Buffer.allocUnsafeSlow(64 * 1024 * 1024)), native.lockMemory(new Uint8Array(0)));`;
  assert.equal(inOwnProcess(locked, `--memlock=${2 ** 20}`), '0 true true\nfalse true');
});

test('reapChild() is false for what is no child, and never waits for all', async () => {
  const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
  for (const pid of [-1, 0, 1, process.pid, child.pid ?? 0]) assert.equal(reapChild(pid), false);
  child.kill('SIGKILL');
  assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL']);
});
