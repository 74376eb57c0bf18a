// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LOCALPART_MAX_BYTES, parseInstanceName, parsePrincipalName } from '@bureau/core';
import fc from 'fast-check';
import { PRINCIPAL_NUMBER_MAX, SOCKET_PATH_MAX_BYTES } from './limits.ts';
import { instancePaths } from './paths.ts';

const instance = fc.oneof(fc.constant(''), fc.stringMatching(/^[a-z0-9]{1,12}$/)).map(parseInstanceName);
const principal = fc
  .array(fc.stringMatching(/^[a-z=-][a-z0-9._=-]{0,79}$/), { minLength: 1, maxLength: 6 })
  .map((segments) => segments.join('/').slice(0, LOCALPART_MAX_BYTES))
  .filter((text) => isName(text))
  .map(parsePrincipalName);
const number = fc.integer({ min: 0, max: PRINCIPAL_NUMBER_MAX });

function isName(text: string): boolean {
  try {
    parsePrincipalName(text);
    return true;
  } catch {
    return false;
  }
}

test('instancePaths puts the default instance where the design says', () => {
  const paths = instancePaths(parseInstanceName(''));
  const name = parsePrincipalName('iree/amdgpu/pm');
  assert.equal(paths.socketLink(name), '/run/bureau/iree/amdgpu/pm.sock');
  assert.equal(paths.launcherSocket, '/run/bureau/.sys/launcher.sock');
  assert.equal(paths.principal(3).proxySocket, '/run/bureau/.p/3/agent/proxy.sock');
  assert.equal(paths.principal(3).adminSocket, '/run/bureau/.p/3/admin/admin.sock');
  assert.equal(paths.principal(3).relaySocket, '/run/bureau/.p/3/relay/relay.sock');
  assert.equal(paths.workspaceOf(name), '/var/lib/bureau/workspace/iree/amdgpu/pm');
  assert.equal(paths.credentialFile, '/etc/bureau/credentials');
  assert.equal(paths.uidsFile, '/etc/bureau/uids');
  assert.equal(paths.cgroupName, 'bureau');
});

test('instancePaths of a named instance carries its suffix everywhere but in the one record of uids', () => {
  const paths = instancePaths(parseInstanceName('two'));
  const texts = Object.entries(paths).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  for (const [key, path] of texts.filter(([key]) => key !== 'name' && key !== 'uidsFile')) assert.match(path, /bureau-two(\/|$)/, key);
  assert.equal(paths.uidsFile, '/etc/bureau/uids');
});

test('instancePaths never gives two things one path', () => {
  const paths = instancePaths(parseInstanceName('two'));
  const all = [...Object.values(paths), ...Object.values(paths.principal(0)), ...Object.values(paths.principal(1))].filter(
    (value) => typeof value === 'string',
  );
  assert.equal(new Set(all).size, all.length);
});

test('every socket that is bound has a path that the kernel takes', () => {
  fc.assert(
    fc.property(instance, number, (name, n) => {
      const paths = instancePaths(name);
      const own = paths.principal(n);
      for (const path of [paths.standSocket, paths.launcherSocket, paths.daemonSocket, own.proxySocket, own.adminSocket, own.relaySocket]) {
        // A server binds beside the name first; see listenUnix.
        assert.ok(Buffer.byteLength(path) + 32 <= SOCKET_PATH_MAX_BYTES, path);
      }
    }),
  );
});

test('socketLink gives a path that the kernel takes, or refuses, and never refuses where names are bounded', () => {
  fc.assert(
    fc.property(instance, principal, (name, p) => {
      const paths = instancePaths(name);
      const fits = `${paths.runDir}/${p}.sock`.length <= SOCKET_PATH_MAX_BYTES;
      if (fits) assert.ok(Buffer.byteLength(paths.socketLink(p)) <= SOCKET_PATH_MAX_BYTES);
      else assert.throws(() => paths.socketLink(p), { code: 'path_too_long' });
      assert.ok(fits || (name.length >= 10 && p.length > 77), 'only long names on instances with long names are refused');
    }),
    { numRuns: 500 },
  );
});

test('socketLink at its edge says how long a name may be', () => {
  const name = 'a'.repeat(80);
  assert.equal(instancePaths(parseInstanceName('')).socketLink(parsePrincipalName(name)).length, 97);
  assert.equal(instancePaths(parseInstanceName('abcdefghi')).socketLink(parsePrincipalName(name)).length, 107);
  const longest = instancePaths(parseInstanceName('abcdefghijkl'));
  assert.equal(longest.socketLink(parsePrincipalName(name.slice(3))).length, 107);
  assert.throws(() => longest.socketLink(parsePrincipalName(name)), { code: 'path_too_long', message: /at most 77 bytes/ });
});

test('a principal reaches none of our own files through its name', () => {
  fc.assert(
    fc.property(instance, principal, (name, p) => {
      const paths = instancePaths(name);
      for (const [path, root] of [
        [`${paths.runDir}/${p}.sock`, paths.runDir],
        [paths.workspaceOf(p), paths.workspaceRoot],
      ] as const) {
        assert.equal(new URL(`file://${path}`).pathname, path);
        assert.ok(path.startsWith(`${root}/`));
      }
      for (const own of [paths.systemDir, paths.principalsDir]) assert.ok(!`${paths.runDir}/${p}.sock`.startsWith(`${own}/`));
    }),
  );
});
