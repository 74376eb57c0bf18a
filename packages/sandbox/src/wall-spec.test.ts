// SPDX-License-Identifier: Apache-2.0
// What a spec asks for, as a payload in the real wall finds it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chownSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { defaultPolicy, type LauncherPolicy } from './policy-file.ts';
import { compileInto, WALL_UID, WallFixture } from './testing/wall-fixture.ts';

function allowing(fields: Partial<LauncherPolicy>): { readonly policy: LauncherPolicy } {
  return { policy: { ...defaultPolicy(), ...fields } };
}

/** Makes directories that were not there, and removes those, and only those, again. */
function place(path: string): Disposable {
  let first = path;
  while (!existsSync(dirname(first))) first = dirname(first);
  mkdirSync(path, { recursive: true });
  return { [Symbol.dispose]: () => rmSync(first, { recursive: true }) };
}

test('binds are there in their mode, patterns match, what is optional may be missing', async () => {
  using wall = new WallFixture();
  const host = join(wall.directory, 'host');
  for (const name of ['many', 'out']) mkdirSync(join(host, name), { recursive: true });
  chownSync(join(host, 'out'), WALL_UID, WALL_UID);
  for (const name of ['a.json', 'b.json', 'c.txt', '.hidden.json']) writeFileSync(join(host, 'many', name), name);
  const change = allowing({ binds: [{ source: host, mode: 'rw' }] });
  const mounts = [
    { type: 'bind' as const, source: `${host}/many/*.json`, destination: '/many', glob: true },
    { type: 'bind' as const, source: `${host}/out`, destination: '/out', mode: 'rw' as const },
    { type: 'bind' as const, source: `${host}/many`, destination: '/etc/tool/many' },
    { type: 'bind' as const, source: `${host}/many/c.txt`, destination: '/etc/tool-file' },
    { type: 'bind' as const, source: `${host}/missing`, destination: '/missing', optional: true },
  ];
  const script =
    'ls /many | tr "\\n" " "; cat /etc/tool-file /etc/tool/many/a.json; echo made > /out/made; touch /many/x /etc/tool/many/x 2>&1 | grep -c Read-only; ls -d /missing 2>&1';
  const { stdout } = await wall.run(['sh', '-c', script], change, { mounts });
  assert.match(stdout, /^a\.json b\.json c\.txta\.json[12]\n.*\/missing.*No such file/);
  assert.equal(readFileSync(join(host, 'out/made'), 'utf8'), 'made\n');
  const plan = (mount: object) => () => wall.plan({ v: 1, command: ['x'], mounts: [mount as (typeof mounts)[0]] }, change.policy);
  assert.throws(plan({ ...mounts[0], source: `${host}/many/*.none` }), {
    code: 'mount_refused',
    message: /mounts\[0\]\.source.*nothing matches/,
  });
  assert.throws(plan({ ...mounts[0], source: `${host}/*/a.json` }), { code: 'mount_refused', message: /last segment only/ });
  symlinkSync('/etc/shadow', join(host, 'many/z.json'));
  assert.throws(plan({ ...mounts[0] }), { code: 'mount_refused', message: /symbolic link/ });
  assert.throws(plan({ ...mounts[0], source: `${host}/missing/*`, optional: false }), { code: 'mount_refused' });
});

test('created directories and scratch can be written, variables are what they say, PATH is prepended', async () => {
  using wall = new WallFixture();
  const spec = {
    createDirectories: ['/var/tmp', '/tmp/a/b', '/home/agent/.cache', '/opt/room'],
    scratch: 'memory' as const,
    environment: { WHO: '${PRINCIPAL_NAME} on ${MACHINE_NAME}', RAW: '$${HOME} $HOME' },
    prependVariables: { PATH: '/opt/first', NEW: 'value' },
    directory: '/opt/room',
  };
  const script =
    'pwd; for d in /var/tmp /tmp/a/b /home/agent/.cache /opt/room /scratch; do touch $d/x || exit 1; done; echo "$WHO|$RAW|$PATH|$NEW"';
  const { code, stdout, stderr } = await wall.run(['sh', '-c', script], {}, spec);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^\/opt\/room\nwall\/test on machine\/wall\|\$\{HOME\} \$HOME\|\/opt\/first:\/usr\/local\/sbin:[^|]*\|value\n$/);
});

test('scratch on disk is kept and the payload’s own', async () => {
  using wall = new WallFixture();
  assert.equal((await wall.run(['sh', '-c', 'echo kept > /scratch/x'], {}, { scratch: 'disk' })).code, 0);
  assert.equal((await wall.run(['cat', '/scratch/x'], {}, { scratch: 'disk' })).stdout, 'kept\n');
});

test('a start directory that is not there is told by name, with the code for what Bureau could not do', async () => {
  using wall = new WallFixture();
  const { code, stderr, stdout } = await wall.run(['echo', 'ran'], {}, { directory: '/workspace/nowhere' });
  assert.deepEqual([code, stdout], [125, '']);
  assert.match(stderr, /^bureau: cannot start in \/workspace\/nowhere: there is no such directory/);
  assert.equal((await wall.run(['pwd'], {}, { directory: '/tmp' })).stdout, '/tmp\n', 'control');
});

test('another root replaces the host’s programs, and only one that the policy lists and root alone can write', async () => {
  const root = makeRoot(['/usr/bin/dash', '/usr/bin/cat', '/usr/bin/ls']);
  try {
    mkdirSync(join(root, 'etc'));
    writeFileSync(join(root, 'etc/services'), 'of this root\n');
    using wall = new WallFixture();
    const change = allowing({ roots: [root] });
    const spec = { root: { type: 'directory' as const, path: root } };
    const { stdout } = await wall.run(['sh', '-c', 'ls /usr/bin; cat /etc/services'], change, spec);
    assert.equal(stdout, 'cat\ndash\nls\nsh\nof this root\n');
    await assert.rejects(wall.run(['true'], {}, spec), { code: 'spec_refused', data: { rule: 'root_not_listed', principal: 'wall/test' } });
    execFileSync('chmod', ['0777', join(root, 'usr')]);
    await assert.rejects(wall.run(['true'], change, spec), { code: 'root_refused', message: /others than root can write .*usr/ });
    execFileSync('chmod', ['0755', join(root, 'usr')]);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('bureau-bridge and bureau-proxy-call work in a root that has no program of theirs and no library', async () => {
  const root = makeRoot(['/usr/bin/dash']);
  const built = mkdtempSync('/srv/bureau-bridge-');
  const server = createServer((_request, response) => response.end('from the proxy\n'));
  try {
    compileInto(built, 'bridge', 'exec', 'proxy-call');
    using wall = new WallFixture(built);
    await new Promise<void>((resolve) => server.listen(join(wall.agent, 'proxy.sock'), resolve));
    execFileSync('chmod', ['0666', join(wall.agent, 'proxy.sock')]);
    const change = allowing({ roots: [root] });
    const spec = { root: { type: 'directory' as const, path: root } };
    const script = 'echo "through $HTTPS_PROXY"; bureau-proxy-call /v1/identity; exit 7';
    const { code, stdout, stderr } = await wall.run(['bureau-bridge', '--proxy-env', '--', 'sh', '-c', script], change, spec);
    assert.match(stdout, /^through http:\/\/127\.0\.0\.1:\d+\/?\nfrom the proxy\n$/, stderr);
    assert.equal(code, 7);
    using without = new WallFixture();
    assert.equal((await without.run(['sh', '-c', 'bureau-bridge'], change, spec)).code, 127, 'control: it is not there by itself');
  } finally {
    server.close();
    for (const directory of [root, built]) rmSync(directory, { recursive: true });
  }
});

test('a root with one program and neither shell nor library can run it', async () => {
  const root = mkdtempSync('/srv/bureau-root-');
  try {
    execFileSync('chmod', ['0755', root]);
    mkdirSync(join(root, 'usr/bin'), { recursive: true, mode: 0o755 });
    symlinkSync('usr/bin', join(root, 'bin'));
    using wall = new WallFixture();
    const program = join(wall.directory, 'build/inside/bureau-exec');
    copyFileSync(program, join(root, 'usr/bin/alone')); // static, and says what it was given
    const change = allowing({ roots: [root] });
    const spec = { root: { type: 'directory' as const, path: root } };
    assert.match((await wall.run(['alone', '/nowhere', 'x'], change, spec)).stderr, /^bureau: cannot start in \/nowhere: /);
    assert.deepEqual(
      await wall.run(['sh'], change, spec),
      { code: 127, stdout: '', stderr: 'bureau: sh: not found\n' },
      'control: no shell',
    );
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('a Nix environment comes first in PATH, with the store read-only beside the host’s /usr', async () => {
  const environment = `/nix/store/${'0'.repeat(32)}-bureau-test-${process.pid}`;
  using _store = place(`${environment}/bin`);
  writeFileSync(`${environment}/bin/hello`, '#!/bin/sh\necho hello from nix\n', { mode: 0o755 });
  using wall = new WallFixture();
  const change = allowing({ binds: [{ source: '/nix/store', mode: 'ro' }] });
  const spec = { root: { type: 'nix' as const, environment } };
  const { stdout } = await wall.run(['sh', '-c', 'hello; touch /nix/store/x 2>&1 | grep -o Read-only'], change, spec);
  assert.equal(stdout, 'hello from nix\nRead-only\n');
  await assert.rejects(wall.run(['true'], {}, spec), { code: 'spec_refused', message: /mount_source_not_listed.*\/nix\/store/ });
});

test('a device of the policy can be used, others and memory by another name cannot', async () => {
  const [zero, memory] = [`/dev/bureau-test-zero-${process.pid}`, `/dev/bureau-test-mem-${process.pid}`];
  try {
    execFileSync('mknod', ['-m', '0666', zero, 'c', '1', '5']);
    execFileSync('mknod', ['-m', '0600', memory, 'c', '1', '1']);
    using wall = new WallFixture();
    const change = allowing({ devices: ['/dev/bureau-test-*'] });
    const read = ['sh', '-c', `head -c 4 ${zero} | od -An -tx1`];
    const mounts = [{ type: 'device' as const, source: zero }];
    assert.equal((await wall.run(read, change, { mounts })).stdout, ' 00 00 00 00\n');
    assert.notEqual((await wall.run(read, change)).stderr, '', 'control: it is not there by itself');
    await assert.rejects(wall.run(read, {}, { mounts }), { code: 'spec_refused', message: /device_not_listed/ });
    const other = { mounts: [{ type: 'device' as const, source: memory }] };
    await assert.rejects(wall.run(read, change, other), { code: 'mount_refused', message: /memory or a terminal by another name/ });
    await assert.rejects(wall.run(read, change, { gpu: true }), { code: 'spec_refused', message: /graphics device is asked for/ });
  } finally {
    for (const path of [zero, memory]) rmSync(path, { force: true });
  }
});

/** A program and the libraries that it loads, at the same places below `root`. */
/** A root directory with these programs, one of them dash, and their libraries; whoever makes it removes it. */
function makeRoot(programs: readonly string[]): string {
  const root = mkdtempSync('/srv/bureau-root-');
  execFileSync('chmod', ['0755', root]);
  for (const program of programs) copyInto(root, program);
  for (const [link, target] of [
    ['bin', 'usr/bin'],
    ['lib', 'usr/lib'],
    ['lib64', 'usr/lib64'],
    ['usr/bin/sh', 'dash'],
  ] as const)
    symlinkSync(target, join(root, link));
  return root;
}

function copyInto(root: string, program: string): void {
  const libraries = execFileSync('ldd', [program], { encoding: 'utf8' }).match(/\/[^\s)]+/g) ?? [];
  for (const file of [program, ...libraries]) {
    const real = file.startsWith('/lib') ? `/usr${file}` : file;
    mkdirSync(dirname(join(root, real)), { recursive: true, mode: 0o755 });
    copyFileSync(file, join(root, real));
  }
}
