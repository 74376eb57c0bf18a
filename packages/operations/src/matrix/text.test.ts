// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCode, parseServerName } from '@bureau/core';
import fc from 'fast-check';
import * as v from 'valibot';
import { CONTENT_MAX_BYTES, parseContent } from './event-content.ts';
import { contentText, eventLine, timeOf } from './event-shape.ts';
import { eventId, eventType, matchEventType } from './event-type.ts';
import { projectPowers } from './make-room.ts';
import { printable, printableJson, shortened } from './printable.ts';
import { readRoomArgument } from './room-argument.ts';
import { bodyOf, withThread } from './send.ts';
import { textTable } from './text-table.ts';
import { anyUser } from './user-argument.ts';

const anyText = fc.string({ unit: 'binary', maxLength: 60 });
const HARMLESS = /^[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]*$/;

describe('what goes to a terminal', () => {
  test('printable: nothing that drives a terminal or turns the line is left, whatever the text', () => {
    assert.equal(printable('a\u001b[2J\n\t\r\u009b\u202eb\u007f'), 'a\\u001b[2J\\n\\t\\r\\u009b\\u202eb\\u007f');
    fc.assert(fc.property(anyText, (text) => HARMLESS.test(printable(text))));
  });

  test('printableJson is JSON of the same value, and harmless', () => {
    fc.assert(
      fc.property(fc.dictionary(anyText, fc.oneof(anyText, fc.integer(), fc.constant(null))), fc.constantFrom(0, 2), (value, indent) => {
        const text = printableJson(value, indent);
        assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
        assert.ok(text.split('\n').every((line) => HARMLESS.test(line)));
      }),
    );
  });

  test('textTable: columns stand below each other; one line per row, whatever its cells', () => {
    assert.equal(
      textTable(
        ['A', 'BB'],
        [
          ['long', 'x'],
          ['y', ''],
        ],
        'none',
      ),
      'A     BB\nlong  x\ny',
    );
    assert.equal(textTable(['A'], [], 'none'), 'none');
    assert.equal(textTable(['A'], [['x'.repeat(500)]], 'none').length, 'A\n'.length + 100);
    fc.assert(
      fc.property(fc.array(fc.tuple(anyText, anyText), { minLength: 1, maxLength: 5 }), (rows) => {
        const lines = textTable(['A', 'B'], rows, 'none').split('\n');
        assert.equal(lines.length, rows.length + 1);
        assert.ok(lines.every((line) => HARMLESS.test(line)));
      }),
    );
  });

  test('shortened counts characters, not halves of them', () => {
    assert.equal(shortened('🦊🦊🦊🦊', 3), '🦊🦊…');
    assert.equal(shortened('abc', 3), 'abc');
  });

  test('eventLine, timeOf, contentText: any event of any server is one harmless line', () => {
    assert.equal(timeOf(Date.UTC(2026, 10, 21, 11, 55, 3)), '2026-11-21 11:55:03');
    assert.equal(timeOf(9e99), '9e+99');
    assert.equal(contentText('m.room.message', { body: 'x\ny' }), 'x\\ny');
    assert.equal(contentText('m.room.message', { body: 1 }), '{"body":1}');
    fc.assert(
      fc.property(anyText, anyText, anyText, fc.double(), (sender, type, body, origin_server_ts) =>
        HARMLESS.test(eventLine({ event_id: '$x', sender, type, state_key: body, origin_server_ts, content: { body } })),
      ),
    );
  });
});

describe('what is typed', () => {
  test('readRoomArgument: an ID, an alias, a bare alias; no others', () => {
    const server = parseServerName('bureau.test');
    assert.deepEqual(readRoomArgument('!abc', server), { id: '!abc' });
    assert.deepEqual(readRoomArgument('!abc:old.test', server), { id: '!abc:old.test' });
    assert.deepEqual(readRoomArgument('#iree/amdgpu/general:other.test', server), { alias: '#iree/amdgpu/general:other.test' });
    for (const text of ['iree/builds', '#iree/builds'])
      assert.deepEqual(readRoomArgument(text, server), { alias: '#iree/builds:bureau.test' });
    for (const text of ['', '#', '!', 'a//b', '../x', 'UPPER', '#a:b:c d', '! x', '@user:bureau.test'])
      assert.throws(
        () => readRoomArgument(text, server),
        (error) => hasCode(error, 'invalid_name'),
        text,
      );
  });

  test('parseContent: JSON objects with numbers that Matrix takes', () => {
    assert.deepEqual(parseContent('{"a":{"b":[1,-2,true,null,"x"]}}'), { a: { b: [1, -2, true, null, 'x'] } });
    assert.deepEqual(parseContent('{"n":9007199254740991}'), { n: 9_007_199_254_740_991 });
    const refused = [
      '',
      'x',
      '1',
      'null',
      '[]',
      '"x"',
      '{"a":0.5}',
      '{"a":[{"b":1e99}]}',
      '{"n":9007199254740992}',
      `{"a":"${'x'.repeat(CONTENT_MAX_BYTES)}"}`,
    ];
    for (const text of refused)
      assert.throws(
        () => parseContent(text),
        (error) => hasCode(error, 'invalid_content'),
        text.slice(0, 30),
      );
    assert.throws(() => parseContent('{"a":[{"b":1.5}]}'), /a\.0\.b/);
  });

  test('parseContent never quotes what it was given, which may be a secret', () => {
    assert.throws(
      () => parseContent('{"password": "hunter2"'),
      (error: Error) => !error.message.includes('hunter2'),
    );
  });

  test('bodyOf and withThread', () => {
    assert.deepEqual(bodyOf('hi', undefined), { msgtype: 'm.text', body: 'hi' });
    assert.deepEqual(bodyOf(undefined, '{"x":1}'), { x: 1 });
    assert.throws(
      () => bodyOf('hi', '{}'),
      (error) => hasCode(error, 'invalid_input'),
    );
    assert.throws(
      () => bodyOf(undefined, undefined),
      (error) => hasCode(error, 'invalid_input'),
    );
    assert.deepEqual(withThread({ a: 1 }, undefined), { a: 1 });
    assert.deepEqual(withThread({ a: 1 }, '$e'), {
      a: 1,
      'm.relates_to': { rel_type: 'm.thread', event_id: '$e', is_falling_back: true, 'm.in_reply_to': { event_id: '$e' } },
    });
    assert.throws(
      () => withThread({ 'm.relates_to': {} }, '$e'),
      (error) => hasCode(error, 'invalid_input'),
    );
  });

  test('matchEventType: a star is any characters; the same as a regular expression, and never slow', () => {
    const table: readonly [string, string, boolean][] = [
      ['m.room.message', 'm.room.message', true],
      ['m.bureau.*', 'm.bureau.machine_key', true],
      ['m.bureau.*', 'm.bureau.a.b', true],
      ['m.bureau.*', 'm.bureau', false],
      ['*', '', true],
      ['*.message', 'm.room.message', true],
      ['m.*.key', 'm.room.key.x', false],
      ['', 'm', false],
    ];
    for (const [pattern, type, expected] of table) assert.equal(matchEventType(pattern, type), expected, `${pattern} ${type}`);
    const word = fc.array(fc.constantFrom('a', 'b', '.'), { maxLength: 12 }).map((letters) => letters.join(''));
    fc.assert(
      fc.property(fc.array(fc.oneof(word, fc.constant('*')), { maxLength: 6 }), word, (parts, type) => {
        const source = parts.map((part) => (part === '*' ? '.*' : part.replaceAll('.', '\\.'))).join('');
        assert.equal(matchEventType(parts.join(''), type), new RegExp(`^${source}$`).test(type));
      }),
    );
    // The best of some: the machine may be at something else for as long.
    const times = Array.from({ length: 5 }, () => {
      const began = performance.now();
      matchEventType(`${'*a'.repeat(120)}b`, 'a'.repeat(255));
      return performance.now() - began;
    });
    assert.ok(Math.min(...times) < 50);
  });

  test('eventType, eventId, anyUser take what Matrix has, and nothing that breaks a line', () => {
    for (const text of ['m.room.message', 'org.example/x', 'a']) assert.ok(v.is(eventType, text), text);
    for (const text of ['', 'a b', 'a\n', 'é', 'x'.repeat(256)]) assert.ok(!v.is(eventType, text), text);
    for (const text of ['$abc', '$abc:server']) assert.ok(v.is(eventId, text), text);
    for (const text of ['abc', '$', '$a b', '$a\u001b']) assert.ok(!v.is(eventId, text), text);
    for (const text of ['@ben:bureau.test', '@../x:bureau.test', '@Old~Name!:bureau.test']) assert.ok(v.is(anyUser, text), text);
    for (const text of ['ben', '@:bureau.test', '@a b:bureau.test', '@a:b c', '@a', `@${'x'.repeat(300)}:b`])
      assert.ok(!v.is(anyUser, text), text);
  });

  test('projectPowers: members talk in rooms, never in spaces; what governs a room is never theirs', () => {
    const room = projectPowers({ space: false, memberStateEvents: ['m.bureau.build'] });
    assert.deepEqual([room.messages?.level, room.events['m.bureau.build']?.level], [0, 0]);
    assert.equal(projectPowers({ space: true, memberStateEvents: [] }).messages, undefined);
    for (const type of ['m.room.power_levels', 'm.room.name', 'm.space.child'])
      assert.throws(
        () => projectPowers({ space: false, memberStateEvents: [type] }),
        (error) => hasCode(error, 'invalid_input'),
        type,
      );
  });
});
