// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { TERMINAL_CHUNK_MAX } from '@bureau/protocol';
import type { PrincipalName } from '@bureau/core';
import type { DaemonClient } from '../daemon-client.ts';
import type { OperationContext } from '../registry/context.ts';

/** Ctrl-\ */
const DETACH_BYTE = 0x1c;

/** It makes one system call. */
const STTY_MILLISECONDS = 2_000;

export interface TypingOptions {
  readonly daemon: DaemonClient;
  readonly principal: PrincipalName;
  /** Called when Ctrl-\ was typed on a terminal; what was typed before it has been passed on. */
  readonly onDetach?: () => void;
  readonly signal: AbortSignal;
}

/**
 * Passes what the caller types (or pipes) to the payload, in order, one write at a time, so that a payload that does not read holds
 * the caller and not our memory. At the end of the input the payload's stdin ends as well. Resolves then, or when `signal` is aborted.
 */
export async function passInput(context: OperationContext, options: TypingOptions): Promise<void> {
  const { daemon, principal, signal } = options;
  const terminal = context.input.isTTY === true;
  const pieces = context.input.iterator({ destroyOnReturn: false });
  using over = whenAborted(signal);
  try {
    for (;;) {
      // The caller may never type again: the read that is left then ends with the process.
      const next = await Promise.race([pieces.next(), over.promise]);
      if (signal.aborted || next === undefined) return;
      if (next.done === true) break;
      const bytes = next.value as Buffer;
      const detach = terminal && options.onDetach !== undefined ? bytes.indexOf(DETACH_BYTE) : -1;
      await send(daemon, principal, detach < 0 ? bytes : bytes.subarray(0, detach), signal);
      if (detach >= 0) return options.onDetach?.();
    }
    if (!signal.aborted)
      await daemon.call('input', { principal, data: new Uint8Array(0), end: true }, { signal, deadlineMilliseconds: INPUT_MILLISECONDS });
  } catch (error) {
    // The payload has ended, or the caller: its exit report says the rest.
    if (!signal.aborted && !isOver(error)) throw error;
  }
}

/** Resolves when the signal is aborted; takes its listener away when disposed of. */
function whenAborted(signal: AbortSignal): Disposable & { readonly promise: Promise<undefined> } {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const onAbort = (): void => resolve(undefined);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  return { promise, [Symbol.dispose]: () => signal.removeEventListener('abort', onAbort) };
}

async function send(daemon: DaemonClient, principal: PrincipalName, bytes: Buffer, signal: AbortSignal): Promise<void> {
  for (let at = 0; at < bytes.length; at += TERMINAL_CHUNK_MAX) {
    const data = bytes.subarray(at, at + TERMINAL_CHUNK_MAX);
    await daemon.call('input', { principal, data }, { signal, deadlineMilliseconds: INPUT_MILLISECONDS });
  }
}

/** A payload may leave its stdin unread for as long as it likes: a day is the longest that a call may take. */
const INPUT_MILLISECONDS = 86_400_000;

function isOver(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return (
    code === 'not_running' || code === 'connection_lost' || code === 'cancelled' || code === 'input_closed' || code === 'connection_refused'
  );
}

/** Puts the caller's terminal into raw mode, both ways; the returned handle puts it back, however the operation ends. */
export function rawTerminal(context: OperationContext): Disposable {
  const input = context.input as OperationContext['input'] & { setRawMode?: (raw: boolean) => void; readonly fd?: number };
  if (input.isTTY !== true || input.setRawMode === undefined) return { [Symbol.dispose]: () => undefined };
  input.setRawMode(true);
  // Node leaves the output's side as it was, and each "\n" would become "\r\n" a second time: a full-screen program that moves down
  // with it lands in column one. `setRawMode(false)` restores this as well.
  spawnSync('/usr/bin/stty', ['-opost'], { stdio: [input.fd ?? 0, 'ignore', 'ignore'], timeout: STTY_MILLISECONDS });
  return { [Symbol.dispose]: () => input.setRawMode?.(false) };
}

/** The terminal's size; `undefined` for none, and for one that does not say (a serial line, a terminal of `script`): 0 columns, 0 rows. */
export function sizeOf({
  columns,
  rows,
}: Pick<OperationContext['output'], 'columns' | 'rows'>): { columns: number; rows: number } | undefined {
  return columns === undefined || rows === undefined || columns < 1 || rows < 1 ? undefined : { columns, rows };
}

/** Tells the payload's terminal the caller's size, now and at each change, until disposed. */
export function followSize(context: OperationContext, options: Pick<TypingOptions, 'daemon' | 'principal'>): Disposable {
  const { output } = context;
  const tell = (): void => {
    const size = sizeOf(output);
    if (size !== undefined) options.daemon.call('resize', { principal: options.principal, ...size }).catch(() => undefined);
  };
  tell();
  output.on('resize', tell);
  return { [Symbol.dispose]: () => void output.off('resize', tell) };
}
