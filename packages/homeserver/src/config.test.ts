// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServerName } from '@bureau/core';
import { homeserverCommand, homeserverLibrary } from './command.ts';
import { homeserverConfig, homeserverLogConfig } from './config.ts';
import { homeserverLayout } from './layout.ts';

const layout = homeserverLayout('/var/lib/bureau/homeserver');
const options = { serverName: parseServerName('bureau.local'), port: 6167, layout };

test('homeserverConfig: loopback, no federation, accounts by token, aliases for operators', () => {
  const config = homeserverConfig(options);
  assert.deepEqual(config['listeners'], [
    {
      type: 'http',
      port: 6167,
      bind_addresses: ['127.0.0.1'],
      tls: false,
      x_forwarded: false,
      resources: [{ names: ['client'], compress: false }],
    },
  ]);
  assert.deepEqual(config['federation_domain_whitelist'], []);
  assert.equal(config['registration_requires_token'], true);
  assert.equal(config['default_room_version'], '12');
  assert.deepEqual(config['alias_creation_rules'], [
    { user_id: '@bureau-admin:bureau.local', action: 'allow' },
    { user_id: '@bureau/homeserver-admin:bureau.local', action: 'allow' },
    { user_id: '*', action: 'deny' },
  ]);
  assert.deepEqual(config['room_list_publication_rules'], [{ action: 'deny' }]);
});

test('homeserverConfig: open limits and quick hashes in tests only', () => {
  const stand = homeserverConfig(options);
  const testing = homeserverConfig({ ...options, testing: true });
  assert.equal(stand['bcrypt_rounds'], undefined);
  assert.equal(testing['bcrypt_rounds'], 4);
  for (const [name, limit] of Object.entries(stand).filter(([name]) => name.startsWith('rc_'))) {
    for (const rate of 'per_second' in (limit as object) ? [limit] : Object.values(limit as object)) {
      const { per_second: perSecond, burst_count: burst } = rate as { per_second: number; burst_count: number };
      assert.ok(perSecond > 0 && perSecond <= 10 && burst >= 1 && burst <= 100, `${name} ${perSecond} ${burst}`);
    }
    assert.ok(name in testing, name);
  }
});

test('homeserverConfig holds paths of secrets, no secret, and survives JSON', () => {
  const config = homeserverConfig(options);
  for (const name of ['registration_shared_secret', 'macaroon_secret_key', 'form_secret', 'turn_shared_secret'])
    assert.ok(!(name in config), name);
  assert.deepEqual(JSON.parse(JSON.stringify(config)), config);
  assert.deepEqual(JSON.parse(JSON.stringify(homeserverLogConfig())), homeserverLogConfig());
});

test('homeserverCommand starts the linked Python alone, in isolated mode', () => {
  assert.deepEqual(homeserverCommand(layout), {
    command: '/var/lib/bureau/homeserver/library/bin/python',
    args: ['-I', '-m', 'synapse.app.homeserver', '-c', '/var/lib/bureau/homeserver/homeserver.json'],
    env: { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', HOME: '/var/lib/bureau/homeserver/data' },
    cwd: '/var/lib/bureau/homeserver/data',
  });
});

test("homeserverLibrary is named by the lock file's content", () => {
  assert.equal(homeserverLibrary(Buffer.from('abc')), '/usr/lib/bureau/homeserver/ba7816bf8f01cfea');
  assert.equal(homeserverLibrary(Buffer.from('abc'), '/tmp/x'), '/tmp/x/homeserver/ba7816bf8f01cfea');
});
