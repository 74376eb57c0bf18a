// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TemplateCache } from './template-cache.ts';
import { templateDistrust } from './template-trust.ts';

function fact(name: string, eventId: string, content: object = {}): { stateKey: string; eventId: string; content: unknown } {
  return { stateKey: name, eventId, content: { v: 2, description: name, ...content } };
}

test('TemplateCache: the same events, the same library; a change touches only who builds on it', () => {
  const cache = new TemplateCache();
  const [base, child, other] = [fact('base', '$1'), fact('child', '$2', { inherits: ['base'] }), fact('other', '$3')];
  const first = cache.library([base, child, other]);
  assert.equal(cache.library([base, child, other]), first);
  const second = cache.library([fact('base', '$4', { gpu: true }), child, other]);
  assert.notEqual(second.get('base'), first.get('base'));
  assert.notEqual(second.get('child'), first.get('child'));
  assert.equal(second.get('other'), first.get('other'));
  const third = cache.library([fact('base', '$4', { gpu: true }), child]);
  assert.equal(third.get('child'), second.get('child'));
  assert.equal(third.get('other'), undefined);
});

test('TemplateCache believes nothing while it is told not to, and all of it afterwards', () => {
  const cache = new TemplateCache();
  const facts = [fact('base', '$1')];
  const distrusted = facts.map((each) => ({ ...each, distrust: 'anybody may write' }));
  assert.equal(cache.library(facts).get('base')?.ok, true);
  const resolution = cache.library(distrusted).get('base');
  assert.equal(resolution?.ok === false && resolution.faults[0].message, 'anybody may write');
  assert.equal(cache.library(facts).get('base')?.ok, true);
});

test('templateDistrust: operators alone may write templates', () => {
  const cases: readonly [levels: unknown, trusted: boolean][] = [
    [{ state_default: 100 }, true],
    [{ state_default: 100, events: { 'm.room.name': 0 } }, true],
    [{ state_default: 100, events: { 'm.bureau.template': 99 } }, false],
    [{ state_default: 0, events: { 'm.bureau.template': 100 } }, true],
    [{ state_default: 50 }, false],
    [{}, false],
    [undefined, true],
    [null, false],
    [{ state_default: '100' }, false],
    [{ state_default: 100, events: { 'm.bureau.template': '100' } }, false],
  ];
  for (const [levels, trusted] of cases) assert.equal(templateDistrust(levels) === undefined, trusted, JSON.stringify(levels));
});
