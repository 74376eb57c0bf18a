// SPDX-License-Identifier: Apache-2.0
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { BureauError, type Clock } from '@bureau/core';
import { openPipe } from '@bureau/native';
import type { Size } from './observer.ts';
import { PseudoTerminal } from './pty.ts';
import type { OutputSource } from './ring.ts';

/** A payload's three standard descriptors as the relay holds them. */
export interface PayloadStdio {
  readonly terminal: boolean;
  /** The payload's ends for 0, 1 and 2. */
  readonly descriptors: readonly [number, number, number];
  /** What the payload writes; paused until somebody reads. Each ends when nobody holds the other end any more (a terminal with EIO). */
  readonly outputs: readonly { readonly from: OutputSource; readonly stream: Readable }[];
  /** Resolves when the payload's end took all of it. Rejects with `input_closed`. An abort ends a terminal's write half-way; a pipe's goes on. */
  write(data: Uint8Array, signal: AbortSignal): Promise<void>;
  /** End of input, after everything that was written. */
  end(signal: AbortSignal): Promise<void>;
  /** Does nothing without a terminal. */
  resize(size: Size): void;
  /** Closes our copies of the payload's ends; call it once the payload is started. */
  started(): void;
  /** Closes everything. Idempotent. */
  close(): void;
}

/** A terminal on all three descriptors. Throws `pty_unavailable`. */
export function terminalStdio(size: Size, clock: Clock): PayloadStdio {
  const terminal = PseudoTerminal.open(size, clock);
  return {
    terminal: true,
    descriptors: [terminal.payloadEnd, terminal.payloadEnd, terminal.payloadEnd],
    outputs: [{ from: 'output', stream: terminal.output }],
    write: (data, signal) => terminal.type(data, signal),
    end: (signal) => terminal.typeEnd(signal),
    resize: (next) => terminal.resize(next),
    started: () => terminal.closePayloadEnd(),
    close: () => terminal.close(),
  };
}

/** Three pipes, so that output and errors stay apart. Real pipes: programs open `/dev/stdout` by name. */
export function pipeStdio(): PayloadStdio {
  const [input, output, error] = [openPipe(), openPipe(), openPipe()];
  const descriptors = [input.read, output.write, error.write] as const;
  const writer = new Socket({ fd: input.write, readable: false, writable: true });
  // Errors reach the one who writes; without a listener they would end the process.
  writer.on('error', () => undefined);
  const readers = [output.read, error.read].map((fd) => new Socket({ fd, readable: true, writable: false }));
  let payloadEndsOpen = true;
  const started = (): void => {
    if (payloadEndsOpen) for (const descriptor of descriptors) closeSync(descriptor);
    payloadEndsOpen = false;
  };
  return {
    terminal: false,
    descriptors,
    outputs: [
      { from: 'output', stream: readers[0]! },
      { from: 'error', stream: readers[1]! },
    ],
    write: (data) => writeTo(writer, data),
    end: async () => void writer.end(),
    resize: () => undefined,
    started,
    close: () => {
      started();
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
