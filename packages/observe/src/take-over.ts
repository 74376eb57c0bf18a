// SPDX-License-Identifier: Apache-2.0
import { closeSync } from 'node:fs';
import { Readable } from 'node:stream';
import { BureauError } from '@bureau/core';
import { readFrames } from '@bureau/ipc';
import { receiveBytes, receiveDescriptors, type PassedMessage } from '@bureau/native';
import { relayConfig, type RelayConfig } from '@bureau/protocol';
import * as v from 'valibot';
import { CONFIG_MAX_BYTES } from './limits.ts';
import type { OutputSource } from './ring.ts';

const MAGIC = Buffer.from('BRT1');
const HEADER_BYTES = 8;
const HEAD_BYTES = 12;
const RECORD_HEAD_BYTES = 5;
const PARTS = 5;
const PART_MAX_BYTES = CONFIG_MAX_BYTES;
const RELEASED = 1;
const HAS_SCRATCH = 2;
const NOT_LOGGED = 0x80;
/** Log, listener, output log, status, the payload's output: of every sandbox. Then by its kind. */
const ALWAYS = 5;
const SCRATCH_PLACES = 4;
const DESCRIPTORS_MAX = 12;

/** What the payload put out before its relay was awake. */
export interface EarlyOutput {
  readonly from: OutputSource;
  readonly data: Buffer;
  /** It stands in the output log. */
  readonly logged: boolean;
}

/** A sandbox as bureau-starter gives it to the relay; the descriptors are the relay's from now on. */
export interface TakeOver {
  readonly config: Promise<RelayConfig>;
  readonly log: number;
  readonly listener: number;
  readonly outputLog: number;
  /** The rest of bubblewrap's words; `said` came before. */
  readonly status: number;
  readonly said: string;
  /** A terminal's master, or the payload's three pipes. */
  readonly stdio: { readonly terminal: number } | { readonly input: number; readonly output: number; readonly error: number };
  /** The command waits for a byte in it; undefined: it was let run. */
  readonly gate: number | undefined;
  /** Handles to the sandbox's own file systems (`ScratchWatch`), if they stood already. */
  readonly scratch: readonly number[];
  /** The sandbox's first process in host numbers; undefined when bubblewrap has named none. */
  readonly init: number | undefined;
  /** Milliseconds since the command was let run; 0 when it was not. */
  readonly runsSince: number;
  readonly early: readonly EarlyOutput[];
  /** Why the command will not be run; empty when nothing speaks against it. */
  readonly failure: string;
}

/**
 * Reads what `apps/c-programs/src/starter/take-over.c` writes on the socket `control`, blocking this thread: a header with descriptors, then parts behind their
 * lengths, numbers big-endian. Throws `bad_take_over`, `descriptors_lost`, `peer_gone`; `config` rejects with `bad_config`.
 */
export function receiveTakeOver(control: number): TakeOver {
  const message = receiveDescriptors(control, HEADER_BYTES, DESCRIPTORS_MAX);
  if (message === null) throw badTakeOver('the end of the socket');
  try {
    return readTakeOver(control, message);
  } catch (error) {
    for (const descriptor of message.descriptors) closeSync(descriptor);
    throw error;
  }
}

function readTakeOver(control: number, { bytes, descriptors }: PassedMessage): TakeOver {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC) || bytes.readUInt32BE(MAGIC.length) !== PARTS) throw badTakeOver('another message');
  const parts = Array.from({ length: PARTS }, () => receivePart(control));
  const [head, said, records, failure, config] = parts as [Buffer, Buffer, Buffer, Buffer, Buffer];
  if (head.length !== HEAD_BYTES) throw badTakeOver(`a head of ${head.length} bytes`);
  const [flags, init, runsSince] = [head.readUInt32BE(0), head.readUInt32BE(4), head.readUInt32BE(8)];
  const released = (flags & RELEASED) !== 0;
  const hasScratch = (flags & HAS_SCRATCH) !== 0;
  const own = descriptors.length - ALWAYS - (released ? 0 : 1) - (hasScratch ? SCRATCH_PLACES : 0);
  if (own !== 0 && own !== 2) throw badTakeOver(`${descriptors.length} descriptors`);
  const [log, listener, outputLog, status, output, ...rest] = descriptors as [number, number, number, number, number, ...number[]];
  const [input, error] = rest.splice(0, own);
  const gate = released ? undefined : rest.shift();
  const early = readRecords(records);
  return {
    config: decodeConfig(config),
    ...{ log, listener, outputLog, status, gate, early },
    said: said.toString('utf8'),
    stdio: input === undefined || error === undefined ? { terminal: output } : { input, output, error },
    scratch: rest,
    init: init === 0 ? undefined : init,
    runsSince,
    failure: failure.toString('utf8'),
  };
}

function receivePart(control: number): Buffer {
  const length = receiveBytes(control, 4).readUInt32BE(0);
  if (length > PART_MAX_BYTES) throw badTakeOver(`a part of ${length} bytes (at most ${PART_MAX_BYTES})`);
  return receiveBytes(control, length);
}

/** One byte of source and flag, a length, the bytes. */
function readRecords(records: Buffer): EarlyOutput[] {
  const found: EarlyOutput[] = [];
  for (let at = 0; at < records.length;) {
    const start = at + RECORD_HEAD_BYTES;
    const end = start > records.length ? start : start + records.readUInt32BE(at + 1);
    if (end > records.length) throw badTakeOver('a record that is cut off');
    const kind = records.readUInt8(at);
    const from = (kind & ~NOT_LOGGED) === 0 ? 'output' : 'error';
    found.push({ from, data: Buffer.from(records.subarray(start, end)), logged: (kind & NOT_LOGGED) === 0 });
    at = end;
  }
  return found;
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

function badTakeOver(found: string): BureauError {
  return new BureauError(
    'bad_take_over',
    `Expected a sandbox to take over from its starter, found ${found}. Starter and relay must be of one build`,
  );
}
