// SPDX-License-Identifier: Apache-2.0
/**
 * Speaks to sockets of a stand under a uid of choice: `peer.main.ts UID GID`, on stdin one JSON array of steps (`peer.ts`), on stdout
 * one JSON array of what came of them. Starts as root, so that it can read the checkout, and drops for good before the first connect.
 */
import { request } from 'node:http';
import { connect as connectSocket } from 'node:net';
import { text } from 'node:stream/consumers';
import { BureauError, describeError } from '@bureau/core';
import { connect } from '@bureau/ipc';
import { systemClock } from '@bureau/process';
import { daemonContract, launcherContract, proxyContract, relayContract, standContract } from '@bureau/protocol';
import type { PeerOutcome, PeerStep } from './peer.ts';

const CONTRACTS = { daemon: daemonContract, launcher: launcherContract, proxy: proxyContract, relay: relayContract, stand: standContract };
const CALL_MILLISECONDS = 20_000;
/** A server closes what it does not like well within this. */
const RAW_MILLISECONDS = 15_000;

const [uid, gid] = process.argv.slice(2).map(Number);
if (uid === undefined || gid === undefined) throw new Error('expected: peer.main.ts UID GID');
const steps = JSON.parse(await text(process.stdin)) as PeerStep[];
process.setgroups?.([]);
process.setgid?.(gid);
process.setuid?.(uid);
const outcomes: PeerOutcome[] = [];
for (const step of steps) outcomes.push(await take(step));
process.stdout.write(JSON.stringify(outcomes), () => process.exit(0));

async function take(step: PeerStep): Promise<PeerOutcome> {
  try {
    if ('raw' in step) return { ok: true, output: await sendRaw(step.socket, Buffer.from(step.raw, 'base64'), step.until) };
    if ('http' in step) return { ok: true, output: await get(step.socket, step.http) };
    return { ok: true, output: await call(step) };
  } catch (error) {
    if (error instanceof BureauError) return { ok: false, code: error.code, message: error.message };
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    return { ok: false, code, message: describeError(error) };
  }
}

async function call({ socket, contract, method, input, bytes = {} }: Extract<PeerStep, { method: string }>): Promise<unknown> {
  // Never sees the peer's uid: the native part is root's to read here.
  const peerOf = (): { pid: number; uid: number; gid: number } => ({ pid: 0, uid: 0, gid: 0 });
  using client = await connect({ path: socket, contract: CONTRACTS[contract], role: 'test', build: 'test', clock: systemClock, peerOf });
  const decoded = Object.fromEntries(Object.entries(bytes).map(([name, value]) => [name, Buffer.from(value, 'base64')]));
  const whole = { ...(input as Record<string, unknown>), ...decoded };
  return await client.call(method as never, whole as never, { deadlineMilliseconds: CALL_MILLISECONDS });
}

/** Writes the bytes, reads until the other side closes or has said `until`; answers with what it said, and whether it closed. */
function sendRaw(path: string, bytes: Buffer, until: string | undefined): Promise<{ closed: boolean; said: string }> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ path });
    const said: Buffer[] = [];
    const finish = (closed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ closed, said: Buffer.concat(said).toString('latin1') });
    };
    const timer = setTimeout(() => finish(false), RAW_MILLISECONDS);
    let connected = false;
    socket.once('connect', () => {
      connected = true;
      socket.write(bytes);
    });
    socket.on('data', (piece: Buffer) => {
      said.push(piece);
      if (until !== undefined && Buffer.concat(said).includes(until)) finish(false);
    });
    socket.once('error', (error) => (connected ? finish(true) : reject(error)));
    socket.once('close', () => finish(true));
  });
}

function get(socketPath: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path, headers: { host: 'bureau' }, agent: false, timeout: CALL_MILLISECONDS }, (answer) => {
      text(answer).then((body) => resolve({ status: answer.statusCode ?? 0, body }), reject);
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error('late')));
    outgoing.once('error', reject);
    outgoing.end();
  });
}
