// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode, parseServerName } from '@bureau/core';
import { homeserverConfig } from './config.ts';
import { homeserverLayout } from './layout.ts';
import { parseTurnSettings, readTurnSettings } from './turn.ts';

test('parseTurnSettings takes URIs of TURN servers and nothing else', () => {
  const uris = ['turn:127.0.0.1:13478?transport=udp', 'turns:turn.example.org', 'turn:[::1]:3478'];
  assert.deepEqual(parseTurnSettings(JSON.stringify({ uris }), 'f'), { uris });
  const refused = [
    '',
    '[]',
    '{}',
    '{"uris":[]}',
    '{"uris":["http://x"]}',
    '{"uris":["turn:a b"]}',
    '{"uris":["turn:x?transport=sctp"]}',
    '{"uris":"turn:x"}',
  ];
  for (const text of refused)
    assert.throws(
      () => parseTurnSettings(text, 'f'),
      (error) => hasCode(error, 'turn_settings_malformed'),
      text,
    );
});

test('readTurnSettings makes the shared secret for the homeserver alone, once; without a file there is no TURN', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-turn-'));
  try {
    const layout = homeserverLayout(directory);
    const owner = { uid: 264_009, gid: 264_009 };
    assert.equal(readTurnSettings(layout, owner), undefined);
    writeFileSync(layout.turnFile, '{"uris":["turn:127.0.0.1:13478"]}');
    const turn = readTurnSettings(layout, owner);
    const secret = readFileSync(layout.turnSecretFile, 'latin1');
    assert.deepEqual([statSync(layout.turnSecretFile).mode & 0o777, statSync(layout.turnSecretFile).uid], [0o600, owner.uid]);
    readTurnSettings(layout, owner);
    assert.equal(readFileSync(layout.turnSecretFile, 'latin1'), secret);
    const options = { serverName: parseServerName('bureau.local'), port: 6167, layout };
    assert.ok(!('turn_uris' in homeserverConfig(options)));
    const config = homeserverConfig({ ...options, turn });
    assert.deepEqual([config['turn_uris'], config['turn_shared_secret_path']], [['turn:127.0.0.1:13478'], layout.turnSecretFile]);
    assert.ok(!JSON.stringify(config).includes(secret.trim()));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
