// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  LOCALPART_MAX_BYTES,
  RESERVED_FIRST_SEGMENTS,
  localpartOf,
  parseInstanceName,
  parseLocalpart,
  parseMachineName,
  parsePrincipalName,
  parseRoomAlias,
  parseRoomId,
  parseServerName,
  parseUserId,
  roomAliasOf,
  userIdOf,
} from './names.ts';

const refused = { code: 'invalid_name' };

/** Text that is often a name and often just not one. */
const nearName = fc.oneof(
  fc.string({
    unit: fc.constantFrom('a', 'z', '0', '9', '.', '_', '=', '-', '/', '.sock', '..', 'A', '\0', '\n', ' ', 'é', '／', '\u202e'),
    maxLength: 90,
  }),
  fc.array(fc.stringMatching(/^[a-z0-9=-][a-z0-9._=-]{0,20}$/), { minLength: 1, maxLength: 6 }).map((segments) => segments.join('/')),
  fc.string({ unit: 'binary' }),
);

function accepted(parse: (text: string) => string, text: string): boolean {
  try {
    assert.equal(parse(text), text);
    return true;
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'invalid_name');
    return false;
  }
}

test('parseLocalpart accepts only what is a safe relative path', () => {
  let taken = 0;
  fc.assert(
    fc.property(nearName, (text) => {
      if (!accepted(parseLocalpart, text)) return;
      taken += 1;
      assert.ok(new TextEncoder().encode(text).length <= LOCALPART_MAX_BYTES);
      assert.match(text, /^[a-z0-9._=/-]+$/);
      assert.doesNotMatch(text, /^[0-9]+$/);
      for (const segment of text.split('/')) {
        assert.notEqual(segment, '');
        assert.doesNotMatch(segment, /^[._]/);
        assert.ok(!segment.endsWith('.sock'));
      }
      assert.equal(new URL(`file:///run/bureau/${text}`).pathname, `/run/bureau/${text}`, 'no segment is special in a path');
    }),
    { numRuns: 2_000 },
  );
  assert.ok(taken > 100, `only ${taken} names were taken: the generator tests nothing`);
});

test('parsePrincipalName accepts just the localparts without a reserved first segment or a leading "-"', () => {
  fc.assert(
    fc.property(fc.constantFrom('', ...RESERVED_FIRST_SEGMENTS), nearName, (first, rest) => {
      const text = first === '' ? rest : `${first}/${rest}`;
      const reserved = RESERVED_FIRST_SEGMENTS.includes(text.split('/')[0] ?? '');
      assert.equal(accepted(parsePrincipalName, text), accepted(parseLocalpart, text) && !reserved && !text.startsWith('-'));
    }),
  );
});

for (const text of [
  'iree/amdgpu/pm',
  'a',
  '0a',
  '1/2',
  '=',
  '=-',
  'a/--b',
  'a.b',
  'a_b',
  'a..b',
  'sock',
  'a.socks',
  'bureaux',
  'a'.repeat(80),
  `${'a/'.repeat(39)}aa`,
]) {
  test(`parsePrincipalName accepts ${text.slice(0, 30)}`, () => assert.equal(parsePrincipalName(text), text));
}

for (const text of ['-', '--help', '-a/b']) {
  test(`parsePrincipalName refuses ${text}, which looks like an option`, () => {
    assert.throws(() => parsePrincipalName(text), refused);
  });
}

const hostile: readonly [why: string, text: string][] = [
  ['empty', ''],
  ['a slash', '/'],
  ['leading slash', '/a'],
  ['trailing slash', 'a/'],
  ['empty segment', 'a//b'],
  ['dot', '.'],
  ['dot dot', '..'],
  ['climbing', 'a/../b'],
  ['hidden segment', 'a/.p'],
  ['our own directory', '.sys'],
  ['leading underscore', '_a'],
  ['underscore in a later segment', 'a/_b'],
  ['socket', 'a.sock'],
  ['socket in the middle', 'a.sock/b'],
  ['upper case', 'A'],
  ['all digits', '12345'],
  ['NUL', 'a\0b'],
  ['newline at the end', 'a\n'],
  ['newline inside', 'a\nb'],
  ['space', 'a b'],
  ['backslash', 'a\\b'],
  ['colon', 'a:b'],
  ['glob', 'a/*'],
  ['81 bytes', 'a'.repeat(81)],
  ['5,000 characters', 'a'.repeat(5_000)],
  ['full-width letters', 'ａｂ'],
  ['Cyrillic look-alike', 'irее'],
  ['dotless i that lower-cases oddly', 'ı'],
  ['Kelvin sign', '\u212a'],
  ['right-to-left override', 'a\u202eb'],
  ['zero width', 'a\u200bb'],
  ['combining accent', 'a\u0301'],
  ['lone surrogate', '\ud800'],
  ['emoji', '🤖'],
  ['byte order mark', '\ufeffa'],
];
for (const [why, text] of hostile) {
  test(`parseLocalpart refuses ${why}`, () => {
    assert.throws(() => parseLocalpart(text), refused);
    assert.throws(() => parsePrincipalName(text), refused);
    assert.throws(() => parseUserId(`@${text}:bureau.local`), refused);
    assert.throws(() => parseRoomAlias(`#${text}:bureau.local`), refused);
  });
}

test('a refusal says what is wrong and stays short', () => {
  assert.throws(
    () => parsePrincipalName('a'.repeat(5_000)),
    (error: Error) => error.message.length < 300 && error.message.includes('longer than 80 bytes'),
  );
  assert.throws(() => parsePrincipalName('machine/x'), /belong to Bureau itself/);
});

test('parseMachineName accepts machine/<name> alone', () => {
  assert.equal(parseMachineName('machine/workstation'), 'machine/workstation');
  for (const text of [
    'machine',
    'machine/',
    'machine/a/b',
    'machines/a',
    'a',
    'machine/.x',
    'machine/A',
    'machine/a\n',
    `machine/${'a'.repeat(80)}`,
  ]) {
    assert.throws(() => parseMachineName(text), refused, text);
  }
});

test('parseInstanceName accepts nothing, or 1 to 12 of a-z and 0-9', () => {
  for (const text of ['', 'a', '0', 'abcdefghijkl']) assert.equal(parseInstanceName(text), text);
  for (const text of ['abcdefghijklm', 'A', 'a-b', '.', 'a/b', 'a\n', ' ', 'é', '\0'])
    assert.throws(() => parseInstanceName(text), refused, text);
});

test('parseServerName accepts hosts with an optional port', () => {
  for (const text of ['bureau.local', 'example.org:8448', '127.0.0.1:6167', '[::1]:8448', 'localhost'])
    assert.equal(parseServerName(text), text);
  for (const text of ['', 'a b', 'a:', 'a:123456', 'a:b', 'a/b', 'a@b', 'é', 'a\n', '[::1', 'a'.repeat(256)])
    assert.throws(() => parseServerName(text), refused, text);
});

test('parseRoomId accepts room ids of versions 11 and 12', () => {
  for (const text of ['!abc:bureau.local', '!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM']) assert.equal(parseRoomId(text), text);
  for (const text of ['', '!', 'abc', '#a:b', '!a b', '!a:b c', '!a\n', '!é', `!a:${'b'.repeat(300)}`])
    assert.throws(() => parseRoomId(text), refused, text);
});

test('userIdOf, parseUserId and localpartOf agree for every name', () => {
  const server = parseServerName('bureau.local:8448');
  fc.assert(
    fc.property(nearName, (text) => {
      if (!accepted(parseLocalpart, text)) return;
      const name = parseLocalpart(text);
      assert.equal(localpartOf(parseUserId(userIdOf(name, server))), name);
      assert.equal(parseRoomAlias(roomAliasOf(name, server)), `#${name}:bureau.local:8448`);
    }),
  );
});
