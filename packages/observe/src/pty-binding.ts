// SPDX-License-Identifier: Apache-2.0
import { createRequire } from 'node:module';
import { BureauError } from '@bureau/core';

/** The part of node-pty's native module that we use (1.1.0, `src/unix/pty.cc`). Both descriptors come non-blocking and are the caller's. */
export interface PtyBinding {
  open(columns: number, rows: number): { readonly master: number; readonly slave: number; readonly pty: string };
  resize(descriptor: number, columns: number, rows: number): void;
}

/**
 * node-pty's native module, loaded at the first call. Its own `spawn` passes no descriptors and its own `open` keeps one of the payload's
 * end for ever (so that the output never ends), hence the layer below, which is not public: what it gives is checked.
 * Throws `pty_unavailable`.
 */
export function ptyBinding(): PtyBinding {
  let loaded: unknown;
  try {
    loaded = createRequire(import.meta.url)('node-pty');
  } catch (cause) {
    throw new BureauError('pty_unavailable', 'node-pty does not load; it must be compiled for this Node: run build/rebuild-native.sh', {
      cause,
    });
  }
  return checkPtyBinding(loaded);
}

/** The binding inside node-pty's exports; throws `pty_unavailable` when it is not the shape of 1.1.0. */
export function checkPtyBinding(exports: unknown): PtyBinding {
  const native: unknown = typeof exports === 'object' && exports !== null && 'native' in exports ? exports.native : undefined;
  if (
    typeof native === 'object' &&
    native !== null &&
    'open' in native &&
    'resize' in native &&
    typeof native.open === 'function' &&
    typeof native.resize === 'function'
  ) {
    const { open, resize } = native as { open: PtyBinding['open']; resize: PtyBinding['resize'] };
    return { open: (columns, rows) => checkOpened(open(columns, rows)), resize };
  }
  throw new BureauError(
    'pty_unavailable',
    'Expected node-pty 1.1.0, whose exports have native.open and native.resize; found another shape. Install the pinned version, or adapt pty-binding.ts',
  );
}

function checkOpened(opened: ReturnType<PtyBinding['open']>): ReturnType<PtyBinding['open']> {
  const { master, slave, pty } = opened;
  if (Number.isInteger(master) && Number.isInteger(slave) && typeof pty === 'string' && pty.startsWith('/dev/pts/')) return opened;
  throw new BureauError(
    'pty_unavailable',
    `Expected node-pty to give two descriptors and a name below /dev/pts, found ${JSON.stringify(opened)}. Install the pinned version, or adapt pty-binding.ts`,
  );
}
