// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEvent } from './definition.ts';
import { ASSIGNMENT, EVENTS, PRINCIPAL_STATUS } from './registry.ts';

const HELLO = { v: 1, principal: 'demo/hello' };

test('readEvent reads its own version and what was added within it, and fills in what is left out', () => {
  const reading = readEvent(ASSIGNMENT, { ...HELLO, addedLater: { x: 1 } });
  assert.ok(reading.ok);
  assert.deepEqual(reading.content, {
    ...HELLO,
    template: 'default',
    desired: 'running',
    generation: 0,
    command: [],
    environment: {},
    restart: 'always',
  });
});

test('readEvent says why it reads nothing', () => {
  const cases: [unknown, string, RegExp][] = [
    [{}, 'empty', /empty/],
    [{ ...HELLO, v: 2 }, 'newer', /newer Bureau \(version 2\); this one reads up to 1/],
    [{ ...HELLO, v: 1.5 }, 'malformed', /^v: /],
    [{ ...HELLO, v: '2' }, 'malformed', /^v: /],
    [{ ...HELLO, restart: 'sometimes' }, 'malformed', /^restart: /],
    [
      { ...HELLO, authorization: { grants: [{ actions: ['matrix/jo*'] }] } },
      'malformed',
      /^authorization\.grants\.0\.actions\.0: expected an action/,
    ],
    [null, 'malformed', /./],
    ['x', 'malformed', /./],
    [[], 'empty', /empty/],
  ];
  for (const [content, fault, says] of cases) {
    const reading = readEvent(ASSIGNMENT, content);
    assert.ok(!reading.ok, JSON.stringify(content));
    assert.equal(reading.fault, fault, JSON.stringify(content));
    assert.match(reading.message, says);
  }
});

test('EVENTS: each type once, each with a sentence, and who speaks about itself does so under its own user ID', () => {
  assert.equal(new Set(EVENTS.map(({ type }) => type)).size, EVENTS.length);
  for (const { type, summary, stateKey, writer } of EVENTS) {
    assert.ok(summary.length > 20 && !summary.endsWith('.'), type);
    // It is about another; its readers ask who sent it, and its summary says so.
    if (type === PRINCIPAL_STATUS.type) continue;
    if (stateKey !== 'none' && (writer === 'machine' || writer === 'principal')) assert.match(stateKey, /user$/, type);
  }
});
