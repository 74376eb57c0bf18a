// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { expand, wantsResponse, type TemplateValues } from './template.ts';

const values = (response?: Record<string, unknown>): TemplateValues => ({ agent: 'iree/amdgpu/pm', path: ['iree', 'x y'], response });
const one = (text: string, response?: Record<string, unknown>): unknown => expand({ x: text }, values(response))['x'];

test('expand: agent, path and response, in text and alone', () => {
  assert.equal(one('${agent} ${agent_display} ${path.1}/${path.2}/${path.3}.'), 'iree/amdgpu/pm pm iree/x y/.');
  assert.equal(one('#${response.number}: ${response.title}${response.none}', { number: 7, title: 'T' }), '#7: T');
  assert.deepEqual(one('${response.labels}', { labels: [{ a: 1 }] }), [{ a: 1 }]);
  assert.equal(one('${response.n}', { n: 7 }), 7);
  assert.equal(one('${response.yes}', { yes: true }), true);
  assert.equal(one('${response.none}', {}), null);
  assert.equal(one(' ${response.n}', { n: 7 }), ' 7', 'not alone');
  assert.equal(one('${response.o}!', { o: { a: [1] } }), '{"a":[1]}!');
  assert.equal(one('${agent', {}), '${agent');
});

test('expand: what came in is not read as a template again, nor as a name, nor as part of an object', () => {
  assert.equal(one('${response.a}-', { a: '${agent} $& $1 ${response.b}', b: 'never' }), '${agent} $& $1 ${response.b}-');
  for (const field of ['__proto__', 'constructor', 'toString', 'length']) assert.equal(one(`\${response.${field}}`, {}), null);
  const parsed = JSON.parse('{"__proto__":{"polluted":true},"o":{"__proto__":{"polluted":true}}}') as Record<string, unknown>;
  const content = expand({ a: '${response.__proto__}', b: '${response.o}' }, values(parsed));
  assert.equal(JSON.stringify(content['b']), '{"__proto__":{"polluted":true}}');
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  assert.equal((content['b'] as Record<string, unknown>)['polluted'], undefined);
});

test('expand: as Matrix takes it', () => {
  assert.equal(one('${response.f}', { f: 1.5 }), '1.5');
  assert.equal(one('${response.f}', { f: 2 ** 60 }), String(2 ** 60));
  assert.equal(one('${response.s}', { s: '\ud800' }), '\ufffd');
  assert.deepEqual(one('${response.o}', { o: { '\ud800': '\udc00' } }), { '\ufffd': '\ufffd' });
  const deep = (depth: number): unknown => (depth === 0 ? 1 : [deep(depth - 1)]);
  assert.deepEqual(one('${response.d}', { d: deep(15) }), deep(15));
  assert.throws(() => one('${response.d}', { d: deep(20) }), { code: 'response_too_deep' });
});

test('expand: mentions nobody, unless the template itself does', () => {
  assert.deepEqual(expand({ body: 'a' }, values())['m.mentions'], {});
  const mentions = { user_ids: ['@a:b'] };
  assert.deepEqual(expand({ body: 'a', 'm.mentions': mentions }, values())['m.mentions'], mentions);
});

test('expand: the names of fields are those of the template, whatever the answer says', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (response) => {
      const content = expand({ msgtype: 'm.text', body: 'a ${response.a}', 'x.data': '${response.a}' }, values(response));
      assert.deepEqual(Object.keys(content), ['msgtype', 'body', 'x.data', 'm.mentions']);
      assert.equal(typeof content['body'], 'string');
      assert.equal(content['msgtype'], 'm.text');
    }),
  );
});

test('wantsResponse: at any depth, and only then', () => {
  assert.equal(wantsResponse({ a: [{ b: 'x ${response.c}' }] }), true);
  assert.equal(wantsResponse({ a: '${agent} response.c ${path.1}', b: 1, c: null }), false);
});
