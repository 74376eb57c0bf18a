// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decisionFindings } from './decisions.ts';

test('decisionFindings: a number twice, none, or another in the heading', () => {
  const good = { file: 'docs/adr/0001-a.md', text: '# 0001. A\n' };
  assert.deepEqual(decisionFindings([good, { file: 'docs/adr/0002-b.md', text: '# 0002. B\n' }]), []);
  const problems = decisionFindings([
    good,
    { file: 'docs/adr/0001-z.md', text: '# 0001. Z\n' },
    { file: 'docs/adr/0003-c.md', text: '# 3. C\n' },
    { file: 'docs/adr/notes.md', text: '# Notes\n' },
  ]).map(({ file, problem }) => `${file}: ${problem}`);
  assert.deepEqual(problems, [
    'docs/adr/0001-z.md: another decision has number 0001',
    'docs/adr/0003-c.md: does not begin with "# 0003. "',
    'docs/adr/notes.md: has no number',
  ]);
});
