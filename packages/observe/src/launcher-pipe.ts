// SPDX-License-Identifier: Apache-2.0
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { BureauError } from '@bureau/core';
import { encodeFrame, readFrames } from '@bureau/ipc';
import { writeAll } from '@bureau/native';
import { relayConfig, type RelayConfig, type RelayReport } from '@bureau/protocol';
import * as v from 'valibot';
import { CONFIG_MAX_BYTES } from './limits.ts';

const GO = 0x67;
const PREFIX_BYTES = 4;

/** The launcher's end of a relay: instructions come on one descriptor, reports go on another. The launcher may die at any time. */
export interface LauncherPipe {
  /** Rejects with `bad_config` when the frame is not whole, too long or not a configuration. */
  readonly config: Promise<RelayConfig>;
  /** True when the launcher said "go", false when it went away before. Never rejects. */
  readonly go: Promise<boolean>;
  /** A launcher that no longer reads is no error. */
  report(report: RelayReport): void;
}

/** Reads instructions from the pipe `input` (owned from now on), writes reports to `output`. */
export function openLauncherPipe(input: number, output: number): LauncherPipe {
  const config = Promise.withResolvers<RelayConfig>();
  const go = Promise.withResolvers<boolean>();
  const socket = new Socket({ fd: input, readable: true, writable: false });
  void readInstructions(socket, config.resolve).then(go.resolve, (error: unknown) => {
    config.reject(error);
    go.resolve(false);
  });
  return {
    config: config.promise,
    go: go.promise,
    report: (report) => {
      try {
        writeAll(output, encodeFrame(report));
      } catch {
        // EPIPE or a reader that stands still: the exit file tells the same.
      }
    },
  };
}

/** The frame, then whether "go" came before the end. Nothing is read after it, so that a dead launcher is not noticed. */
async function readInstructions(pipe: Readable, onConfig: (config: RelayConfig) => void): Promise<boolean> {
  let bytes = Buffer.alloc(0);
  let end: number | undefined;
  let known = false;
  try {
    for await (const piece of pipe) {
      bytes = Buffer.concat([bytes, piece as Buffer]);
      if (end === undefined && bytes.length >= PREFIX_BYTES) {
        end = PREFIX_BYTES + bytes.readUInt32BE(0);
        if (end > PREFIX_BYTES + CONFIG_MAX_BYTES) throw badConfig(`a frame of ${end - PREFIX_BYTES} bytes (at most ${CONFIG_MAX_BYTES})`);
      }
      if (end === undefined || bytes.length < end) continue;
      if (!known) onConfig(await decodeConfig(bytes.subarray(0, end)));
      known = true;
      if (bytes.length > end) return bytes[end] === GO;
    }
  } catch (error) {
    if (known) return false;
    throw error;
  }
  if (!known) throw badConfig(`the end of the pipe after ${bytes.length} bytes`);
  return false;
}

async function decodeConfig(frame: Buffer): Promise<RelayConfig> {
  for await (const value of readFrames(Readable.from([frame]), CONFIG_MAX_BYTES)) {
    const parsed = v.safeParse(relayConfig, value);
    if (parsed.success) return parsed.output;
    throw badConfig(parsed.issues.map((issue) => `${v.getDotPath(issue) ?? 'value'}: ${issue.message}`).join('; '));
  }
  throw badConfig('an empty frame');
}

function badConfig(found: string): BureauError {
  return new BureauError(
    'bad_config',
    `Expected one frame with the relay's configuration from the launcher, found ${found}. Launcher and relay must be of one build`,
  );
}
