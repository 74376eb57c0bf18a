// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInstanceName } from '@bureau/core';
import { instancePaths } from '@bureau/instance';
import { startHostTraps } from './host-traps.ts';

/** What a payload has of its own: `packages/sandbox/src/layout.ts`. */
const ITS_OWN = ['/run/bureau', '/run/bureau-bin', '/workspace', '/home/agent', '/tmp', '/proxy.sock'];

for (const name of ['', 'other']) {
  test(`startHostTraps() takes nothing for the host’s that a payload has of its own (instance "${name}")`, async () => {
    const paths = instancePaths(parseInstanceName(name));
    await using traps = await startHostTraps(paths);
    const { hostPaths } = traps.facts;
    assert.deepEqual(
      hostPaths.filter((path) => ITS_OWN.includes(path)),
      [],
    );
    for (const path of [paths.launcherSocket, paths.daemonSocket, paths.stateDir, paths.configDir])
      assert.ok(hostPaths.includes(path), path);
  });
}
