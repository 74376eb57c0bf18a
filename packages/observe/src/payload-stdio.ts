// SPDX-License-Identifier: Apache-2.0
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { BureauError, type Clock } from '@bureau/core';
import type { Size } from './observer.ts';
import { PseudoTerminal } from './pty.ts';
import type { OutputSource } from './ring.ts';
import type { TakeOver } from './take-over.ts';

/** A payload's three standard descriptors as the relay holds them. */
export interface PayloadStdio {
  readonly terminal: boolean;
  /** What the payload writes; paused until somebody reads. Each ends when nobody holds the other end any more (a terminal with EIO). */
  readonly outputs: readonly { readonly from: OutputSource; readonly stream: Readable }[];
  /** Resolves when the payload's end took all of it. Rejects with `input_closed`. An abort ends a terminal's write half-way; a pipe's goes on. */
  write(data: Uint8Array, signal: AbortSignal): Promise<void>;
  /** End of input, after everything that was written. */
  end(signal: AbortSignal): Promise<void>;
  /** Does nothing without a terminal. */
  resize(size: Size): void;
  /** Closes everything. Idempotent. */
  close(): void;
}

/** Takes over what its starter has made: a terminal on all three descriptors, or a pipe for each. */
export function payloadStdio(stdio: TakeOver['stdio'], clock: Clock): PayloadStdio {
  return 'terminal' in stdio ? terminalStdio(new PseudoTerminal(stdio.terminal, clock)) : pipeStdio(stdio);
}

function terminalStdio(terminal: PseudoTerminal): PayloadStdio {
  return {
    terminal: true,
    outputs: [{ from: 'output', stream: terminal.output }],
    write: (data, signal) => terminal.type(data, signal),
    end: (signal) => terminal.typeEnd(signal),
    resize: (next) => terminal.resize(next),
    close: () => terminal.close(),
  };
}

/** Output and errors stay apart. */
function pipeStdio({ input, output, error }: Exclude<TakeOver['stdio'], { readonly terminal: number }>): PayloadStdio {
  const writer = new Socket({ fd: input, readable: false, writable: true });
  // Errors reach the one who writes; without a listener they would end the process.
  writer.on('error', () => undefined);
  const readers = [output, error].map((fd) => new Socket({ fd, readable: true, writable: false }));
  return {
    terminal: false,
    outputs: [
      { from: 'output', stream: readers[0]! },
      { from: 'error', stream: readers[1]! },
    ],
    write: (data) => writeTo(writer, data),
    end: async () => void writer.end(),
    resize: () => undefined,
    close: () => {
      for (const stream of [writer, ...readers]) stream.destroy();
    },
  };
}

function writeTo(writer: Socket, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: unknown): void =>
      reject(new BureauError('input_closed', 'The payload can no longer read: its standard input is closed', { cause }));
    if (writer.writableEnded || writer.destroyed) return refuse(undefined);
    writer.write(data, (error) => {
      if (error === null || error === undefined) resolve();
      else refuse(error);
    });
  });
}
