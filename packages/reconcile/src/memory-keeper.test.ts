// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PrincipalName } from '@bureau/core';
import { MemoryKeeper } from './memory-keeper.ts';
import type { LastingMemory } from './memory.ts';
import { PRINCIPAL } from './testing/reconcile-fixture.ts';

const HALTED = { generation: 3, by: '@operator:server', at: 5 };

function keeper(): { memory: MemoryKeeper; disk: Map<PrincipalName, LastingMemory>; full: { is: boolean } } {
  const disk = new Map<PrincipalName, LastingMemory>();
  const full = { is: false };
  const save = (changes: ReadonlyMap<PrincipalName, LastingMemory | undefined>): void => {
    if (full.is) throw new Error('ENOSPC');
    for (const [principal, memory] of changes) {
      if (memory === undefined) disk.delete(principal);
      else disk.set(principal, memory);
    }
  };
  return { memory: new MemoryKeeper({ load: () => new Map(), save }), disk, full };
}

test('MemoryKeeper.halt() is on disk when it returns, and no decision of before takes it away', () => {
  const { memory, disk } = keeper();
  memory.keep(PRINCIPAL, { generation: 3, started: 'k-g3-0' });
  const before = memory.of(PRINCIPAL).kept;
  memory.halt(PRINCIPAL, '$now', HALTED);
  assert.deepEqual(disk.get(PRINCIPAL)?.kept, { generation: 3, started: 'k-g3-0', halted: HALTED });
  for (const kept of [before, { generation: 3, ended: { id: 'k-g3-0', restarts: 0 } }, undefined]) {
    memory.keep(PRINCIPAL, kept);
    assert.deepEqual(disk.get(PRINCIPAL)?.kept?.halted, HALTED);
    assert.deepEqual(disk.get(PRINCIPAL)?.kept?.ended, kept !== undefined && 'ended' in kept ? kept.ended : undefined);
  }
  memory.keep(PRINCIPAL, { generation: 3, started: 'k-g3-1' });
  memory.halt(PRINCIPAL, '$now', undefined);
  assert.deepEqual(disk.get(PRINCIPAL)?.kept, { generation: 3, started: 'k-g3-1' });
});

test('MemoryKeeper.halt() that the disk does not take has not been', () => {
  const { memory, full } = keeper();
  full.is = true;
  assert.throws(() => memory.halt(PRINCIPAL, '$now', HALTED), /ENOSPC/);
  assert.equal(memory.of(PRINCIPAL).kept?.halted, undefined);
});

test('MemoryKeeper.halt() is about the assignment that there is, not about one that was taken away before', () => {
  const { memory, disk } = keeper();
  memory.keep(PRINCIPAL, { generation: 3, ended: { id: 'k-g3-0', restarts: 0 } });
  memory.halt(PRINCIPAL, '$former', HALTED);
  memory.keep(PRINCIPAL, { ...memory.of(PRINCIPAL).kept, generation: 3, removed: '$former' });
  assert.deepEqual(disk.get(PRINCIPAL)?.kept?.halted, HALTED, 'the rooms may still bring it');
  // Seed 53575: what was kept of the former one made the stop of the next one void.
  memory.halt(PRINCIPAL, '$next', HALTED);
  assert.deepEqual(disk.get(PRINCIPAL)?.kept, { generation: 3, halted: HALTED });

  memory.keep(PRINCIPAL, { ...memory.of(PRINCIPAL).kept, generation: 3, removed: '$next' });
  memory.keep(PRINCIPAL, { generation: 3, started: 'k-g3-1' });
  assert.deepEqual(disk.get(PRINCIPAL)?.kept, { generation: 3, started: 'k-g3-1' }, 'what is deployed anew was stopped by nobody');
});
