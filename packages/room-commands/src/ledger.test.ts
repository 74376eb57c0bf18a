// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { CommandLedger } from './ledger.ts';

const ENTRY = { event: '$one', sender: '@one:bureau.test', request: 'r1', command: 'agent.list', parameters: { all: true }, at: 7 };

function ledgerIn(context: TestContext): { path: string; told: string[]; open: () => CommandLedger } {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-ledger-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const path = `${directory}/commands.sqlite`;
  const told: string[] = [];
  const open = (): CommandLedger => {
    const ledger = new CommandLedger(path, (what) => void told.push(what));
    context.after(() => ledger.close());
    return ledger;
  };
  return { path, told, open };
}

test('CommandLedger knows in the next process what was taken and how far it came', (context) => {
  const { told, open } = ledgerIn(context);
  const first = open();
  first.record(ENTRY, 'received');
  first.record({ ...ENTRY, event: '$two', request: 'r2' }, 'received');
  first.advance('$two', 'begun');
  first.close();
  const second = open();
  assert.deepEqual([second.knowsEvent('$one'), second.knowsEvent('$three')], [true, false]);
  assert.deepEqual([second.knowsRequest(ENTRY.sender, 'r2'), second.knowsRequest('@other:bureau.test', 'r2')], [true, false]);
  assert.deepEqual(second.inState('received'), [ENTRY]);
  assert.deepEqual(
    second.inState('begun').map(({ event }) => event),
    ['$two'],
  );
  assert.throws(() => second.record(ENTRY, 'received'), /UNIQUE/);
  assert.deepEqual(told, []);
});

test('CommandLedger moves a damaged file aside, says so, and takes commands again', (context) => {
  const { path, told, open } = ledgerIn(context);
  writeFileSync(path, 'no database at all, but long enough to look like one'.repeat(100));
  const ledger = open();
  assert.equal(ledger.knowsEvent('$one'), false);
  ledger.record(ENTRY, 'done');
  assert.equal(ledger.knowsEvent('$one'), true);
  assert.ok(existsSync(`${path}.damaged`));
  assert.deepEqual(told, [`Which commands were taken (${path}) cannot be read; it is moved aside`]);
});

test('CommandLedger throws while its file cannot be opened, leaves it alone, and goes on when it can be', (context) => {
  const { path, told, open } = ledgerIn(context);
  mkdirSync(path);
  const ledger = open();
  assert.throws(() => ledger.knowsEvent('$one'));
  assert.throws(() => ledger.record(ENTRY, 'received'));
  assert.deepEqual([existsSync(`${path}.damaged`), told], [false, []]);
  rmdirSync(path);
  ledger.record(ENTRY, 'received');
  assert.equal(ledger.knowsEvent('$one'), true);
});
