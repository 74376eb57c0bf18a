// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import type { SandboxInfo } from '@bureau/protocol';
import { REVOKED_RETRY_MILLISECONDS } from './limits.ts';
import { Revocation } from './revocation.ts';
import { HandClock, silentLogger } from './testing/reconcile-fixture.ts';

const turn = async (): Promise<void> => {
  for (let at = 0; at < 5; at += 1) await new Promise(setImmediate);
};

function sandbox(name: string, state: SandboxInfo['state'] = 'running'): SandboxInfo {
  return { principal: parsePrincipalName(name), number: 1, id: 'a-0', state, startedAt: 0, proxyRestarts: 0, relaySocket: '/x' };
}

/** A machine with two sandboxes, one of which has ended, and a homeserver that says of the token what the test wants. */
function machine(context: TestContext, accessToken = 'one', file = join(mkdtempSync(join(tmpdir(), 'bureau-revoked-')), 'revoked.json')) {
  context.after(() => rmSync(join(file, '..'), { recursive: true, force: true }));
  const clock = new HandClock();
  const state = { observed: [sandbox('demo/one'), sandbox('demo/two', 'exited')] as SandboxInfo[] | undefined, refuses: 0 };
  const answers: (boolean | Error)[] = [];
  const ended: string[] = [];
  let asked = 0;
  const revocation = new Revocation({
    clock,
    logger: silentLogger(),
    file,
    accessToken,
    observed: () => state.observed,
    end: async ({ principal }) => {
      if (state.refuses-- > 0) throw new Error('the launcher is away');
      ended.push(principal);
      state.observed = [];
    },
    tokenIsDead: async () => {
      asked += 1;
      const answer = answers.shift() ?? false;
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return { clock, state, answers, ended, revocation, file, asked: () => asked };
}

const CALM = { loggedOut: false, told: false };

test('Revocation does nothing while the machine is trusted', async (context) => {
  const { revocation, ended, asked } = machine(context);
  revocation.consider(CALM);
  await turn();
  assert.deepEqual([revocation.reason, ended, asked()], [undefined, [], 0]);
});

test('Revocation ends what lives as soon as an operator says so, without asking anybody', async (context) => {
  const { revocation, ended, asked } = machine(context);
  revocation.consider({ loggedOut: false, told: true });
  assert.match(revocation.reason ?? '', /operator/);
  await turn();
  assert.deepEqual([ended, asked()], [['demo/one'], 0]);
});

test('Revocation believes the end of the token only when the homeserver says it again', async (context) => {
  const { revocation, ended, answers, clock, asked } = machine(context);
  answers.push(false, new Error('the homeserver is away'), true);
  revocation.consider({ loggedOut: true, told: false });
  await turn();
  assert.deepEqual([revocation.reason, asked()], [undefined, 1], 'it still lets us in');
  for (const times of [2, 3]) {
    clock.advance(REVOKED_RETRY_MILLISECONDS);
    await turn();
    assert.equal(asked(), times);
  }
  assert.match(revocation.reason ?? '', /session/);
  assert.deepEqual(ended, ['demo/one']);
});

test('Revocation tries again what did not end, and looks at what comes with a launcher that was away', async (context) => {
  const { revocation, ended, state, clock } = machine(context);
  state.refuses = 1;
  revocation.consider({ loggedOut: false, told: true });
  await turn();
  assert.deepEqual(ended, []);
  clock.advance(REVOKED_RETRY_MILLISECONDS);
  await turn();
  assert.deepEqual(ended, ['demo/one']);
  state.observed = [sandbox('demo/late')];
  revocation.consider(CALM);
  await turn();
  assert.deepEqual(ended, ['demo/one', 'demo/late']);
});

test('Revocation outlives a restart, and ends with a new session', (context) => {
  const first = machine(context);
  first.revocation.consider({ loggedOut: false, told: true });
  assert.ok(!readFileSync(first.file, 'utf8').includes('"one"'), 'the token itself is not written');
  assert.match(machine(context, 'one', first.file).revocation.reason ?? '', /operator/);
  assert.equal(machine(context, 'another', first.file).revocation.reason, undefined);
  assert.equal(machine(context, 'one', first.file).revocation.reason, undefined, 'it went with that session');
});

test('Revocation takes a mark that cannot be read for one', (context) => {
  const { file } = machine(context);
  writeFileSync(file, '{"v":1');
  assert.match(machine(context, 'one', file).revocation.reason ?? '', /mark/);
});
