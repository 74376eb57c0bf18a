// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { processFacts } from './process-facts.ts';
import { overviewFindings, pictureFindings, processTableCheck, withProcessTable } from './process-table.ts';

const ROOT = join(import.meta.dirname, '../..');
const OVERVIEW = readFileSync(join(ROOT, 'docs/overview.md'), 'utf8');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

test('processFacts says of each process what the service table, the paths and the uids say', () => {
  const facts = new Map(processFacts().map((process) => [process.name, process]));
  assert.deepEqual([...facts.keys()], ['stand', 'homeserver', 'launcher', 'daemon', 'proxy n', 'relay n']);
  assert.deepEqual(
    [...facts.values()].map(({ uid }) => uid),
    ['0', 'base+1', '0', 'base+0', 'base+17+2n', 'base+16+2n'],
  );
  assert.deepEqual(facts.get('proxy n')?.sockets, ['R/.p/<n>/agent/proxy.sock', 'R/.p/<n>/admin/admin.sock']);
  assert.equal(facts.get('launcher')?.network, 'empty, its own');
  assert.ok(facts.get('launcher')?.capabilities?.includes('SETUID'));
  assert.equal(facts.get('daemon')?.network, 'host');
});

test('processTableCheck finds this checkout true', async () => {
  assert.deepEqual(await processTableCheck.run({ root: ROOT, write: false }), []);
});

for (const [what, change, problem] of [
  [
    'another uid',
    (text: string) => text.replace('| `daemon` | stand | base+0', '| `daemon` | stand | base+2'),
    /daemon runs as 'base\+2', the code says base\+0/,
  ],
  ['a longer uid', (text: string) => text.replace('| base+17+2n,', '| base+17+2n+1,'), /proxy n runs as/],
  ['a missing process', (text: string) => text.replace('| `relay` n | launcher', '| `really` n | launcher'), /no row for relay n/],
  [
    'another path',
    (text: string) => text.replace('| `R/.sys/stand.sock` | stand', '| `R/.sys/manager.sock` | stand'),
    /no row for R\/\.sys\/stand\.sock.*no process listens on R\/\.sys\/manager\.sock/,
  ],
  [
    'another listener',
    (text: string) => text.replace('`R/.sys/daemon.sock` | daemon', '`R/.sys/daemon.sock` | launcher'),
    /says 'launcher' listens on R\/\.sys\/daemon\.sock, the code says daemon/,
  ],
] as const) {
  test(`overviewFindings finds ${what}`, () => {
    const text = change(OVERVIEW);
    assert.notEqual(text, OVERVIEW);
    assert.match(
      overviewFindings(text, processFacts())
        .map((finding) => finding.problem)
        .join(' '),
      problem,
    );
  });
}

test('pictureFindings finds a process with another uid, and one that is missing', () => {
  assert.deepEqual(pictureFindings(README, processFacts()), []);
  for (const [from, to] of [
    ['daemon      base+0', 'daemon      base+9'],
    ['relay n base+16+2n', 'relay n base+16+4n'],
    ['homeserver  ', 'homeservant '],
    ['launcher    uid 0', 'launcher    uid 1'],
  ] as const) {
    const text = README.replace(from, to);
    assert.notEqual(text, README, from);
    assert.equal(pictureFindings(text, processFacts()).length, 1, from);
  }
});

test('withProcessTable writes between the markers only, and answers undefined without them', () => {
  const begin = '<!-- processes: written by script/check --write processes -->';
  const text = withProcessTable(`a\n${begin}\nold\n<!-- /processes -->\nb\n`, processFacts()) ?? '';
  assert.match(text, /^a\n<!--[^\n]+\n\| process [^]*\| relay n [^\n]+\n<!-- \/processes -->\nb\n$/);
  assert.equal(withProcessTable(begin, []), undefined);
});
