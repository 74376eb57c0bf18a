// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseInstanceName, parsePrincipalName } from '@bureau/core';
import { instancePaths } from '@bureau/instance';
import { placeSocketLink, removeSocketLink } from './socket-link.ts';

test('removeSocketLink takes away the directories that only this link needed', () => {
  const runDir = mkdtempSync(join(tmpdir(), 'bureau-link-'));
  try {
    const paths = { ...instancePaths(parseInstanceName('')), runDir, socketLink: (principal: string) => `${runDir}/${principal}.sock` };
    const [first, second] = [parsePrincipalName('iree/amdgpu/pm'), parsePrincipalName('iree/other')];
    placeSocketLink(paths, first, '/one');
    placeSocketLink(paths, second, '/two');
    placeSocketLink(paths, second, '/three');
    assert.equal(readlinkSync(`${runDir}/iree/other.sock`), '/three');
    removeSocketLink(paths, first);
    removeSocketLink(paths, first);
    assert.equal(existsSync(`${runDir}/iree/amdgpu`), false);
    assert.equal(readlinkSync(`${runDir}/iree/other.sock`), '/three');
    removeSocketLink(paths, second);
    assert.equal(existsSync(`${runDir}/iree`), false);
    assert.equal(existsSync(runDir), true);
  } finally {
    rmSync(runDir, { recursive: true, force: true });
  }
});
