// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { castText, plainText, withoutMachine } from './cast.ts';

const at = (seconds: number, text: string): { seconds: number; text: string } => ({ seconds, text });

test('withoutMachine replaces path and name, also when a piece ended within them', () => {
  const place = { checkout: '/data/joe/bureau', host: 'oak' };
  const events = withoutMachine([at(0, 'in /data/jo'), at(1, 'e/bureau/x\r\nroot@oa'), at(2, 'k soaked oak-2'), at(3, ' oak')], place);
  assert.equal(events.map(({ text }) => text).join(''), 'in ~/bureau/x\r\nroot@host soaked oak-2 host');
  assert.deepEqual(
    events.map(({ seconds }) => seconds),
    [0, 1, 2, 3, 3],
  );
});

test('castText writes a header and a line per event', () => {
  const [header, ...lines] = castText([at(0.12345, 'a\r\n')], { columns: 80, rows: 24 }, 'x')
    .trimEnd()
    .split('\n');
  assert.deepEqual(JSON.parse(header ?? ''), {
    version: 2,
    width: 80,
    height: 24,
    title: 'x',
    idle_time_limit: 2,
    env: { TERM: 'xterm-256color' },
  });
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    [[0.123, 'o', 'a\r\n']],
  );
});

test('plainText takes colours, titles, cursors and overwritten lines away', () => {
  const text = '\u001b]0;title\u0007\u001b[31mred\u001b[0m\r\n10 %\r20 %\r\nend\u001b(B\u0007  \r\n\r\n';
  assert.equal(plainText([at(0, text)]), 'red\n20 %\nend\n');
});
