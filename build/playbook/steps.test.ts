// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { OPERATIONS } from '../../packages/operations/src/index.ts';
import { bashProgram, formatResult, readSteps } from './steps.ts';

const FENCE = '```';
const PLAYBOOK = new URL('../../docs/playbook.md', import.meta.url);

test('readSteps takes bash blocks of numbered sections, and no others', () => {
  const text = ['# T', `${FENCE}bash`, 'outside', FENCE, '## 1. One', `${FENCE}bash`, 'a', FENCE, 'words', `${FENCE}json`, '{}', FENCE];
  const more = [`${FENCE}bash`, 'b', '## 9. no heading here', FENCE, '## 2. Two', '## After', `${FENCE}bash`, 'never', FENCE];
  assert.deepEqual(readSteps([...text, ...more].join('\n')), [
    { number: 1, title: 'One', commands: 'a\nb\n## 9. no heading here' },
    { number: 2, title: 'Two', commands: '' },
  ]);
  assert.throws(() => readSteps('## 2. Two'), /line 1: expected step 1/);
  assert.throws(() => readSteps(`## 1. One\n${FENCE}bash\nx`), /line 2: .* has no end/);
});

test('bashProgram keeps variables, splits outputs, ends at the first failure and says which command failed', () => {
  const logs = mkdtempSync(join(tmpdir(), 'bureau-steps-'));
  try {
    const steps = readSteps(
      `## 1. One\n${FENCE}bash\nX=secret\ncat <<EOF\nsaid\nEOF\n${FENCE}\n## 2. Two\n${FENCE}bash\ntest "$X" = secret\ntest "$X" = other\necho no\n${FENCE}\n## 3. Three\n${FENCE}bash\necho no\n${FENCE}`,
    );
    const { status, output } = spawnSync('/bin/bash', ['-c', bashProgram(steps, logs)], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      encoding: 'utf8',
    });
    assert.deepEqual([status, output[3]], [1, 'begin 1\nend 1\nbegin 2\n']);
    assert.equal(readFileSync(join(logs, '1.log'), 'utf8'), 'said\n');
    assert.equal(readFileSync(join(logs, '2.log'), 'utf8'), 'failed with exit code 1: test "$X" = other\n');
  } finally {
    rmSync(logs, { recursive: true, force: true });
  }
});

test('formatResult shows step, time and result', () => {
  assert.match(
    formatResult({ number: 3, title: 'Rooms', seconds: 1.25, result: 'failed' }),
    /^playbook: {2}3\. Rooms +1\.[23] s {2}FAILED$/,
  );
});

test('docs/playbook.md has 16 steps, is good bash, and uses every bureau matrix command', () => {
  const steps = readSteps(readFileSync(PLAYBOOK, 'utf8'));
  assert.equal(steps.length, 16);
  const commands = steps.map((step) => step.commands).join('\n');
  execFileSync('/bin/bash', ['-n'], { input: commands });
  for (const { name } of OPERATIONS.filter((each) => each.name.startsWith('matrix '))) assert.ok(commands.includes(`bureau ${name}`), name);
});
