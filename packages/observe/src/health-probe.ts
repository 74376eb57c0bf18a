// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { BureauError, sleep, type Clock } from '@bureau/core';
import { openatNoSymlinks, peerCredentials } from '@bureau/native';
import { HEALTH_REASON_MAX, type HealthFinding, type HealthProbe } from '@bureau/protocol';
import { oneLine } from './failure-text.ts';
import { HEALTH_ANSWER_MAX_BYTES } from './limits.ts';

/** `O_PATH`: names a file without opening it. Node has no constant for it. */
const O_PATH = 0o10000000;
/** What could make a reason read otherwise than it is where it is shown. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
const GREETING = '{"action":"health"}\n';

/** Whom to ask. */
export interface HealthSubject {
  /** Host pid of the sandbox's init. */
  readonly init: number;
  /** The payload's uid; nobody else's answer counts. */
  readonly uid: number;
  readonly clock: Clock;
  /** Nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/**
 * Asks a payload once how it is, over a Unix socket that it listens on inside its sandbox. The payload is hostile: no part of the path may
 * be a symlink, whoever answers must have the payload's uid, of the answer one line of at most `HEALTH_ANSWER_MAX_BYTES` is read, and a
 * redirect is an answer like any other that is not 200. Never rejects: whatever goes wrong is a failure with a reason.
 */
export async function probeHealth(probe: HealthProbe, subject: HealthSubject): Promise<HealthFinding> {
  const over = new AbortController();
  const onAbort = (): void => over.abort();
  subject.signal.addEventListener('abort', onAbort, { once: true });
  try {
    const late = sleep(subject.clock, probe.milliseconds, over.signal).then(() => failed(`no answer within ${probe.milliseconds} ms`));
    return await Promise.race([ask(probe, subject, over.signal), late]);
  } catch (error) {
    return failed(error instanceof BureauError ? error.message : `nobody answers there (${codeOf(error)})`);
  } finally {
    over.abort();
    subject.signal.removeEventListener('abort', onAbort);
  }
}

async function ask(probe: HealthProbe, { init, uid }: HealthSubject, signal: AbortSignal): Promise<HealthFinding> {
  const descriptor = openSocket(init, probe.endpoint);
  let socket: Socket | undefined;
  try {
    // Through the descriptor, so that what was looked at is what is connected to.
    socket = connect({ path: `/proc/self/fd/${descriptor}` });
    const line = firstLine(socket, signal);
    line.catch(() => undefined);
    await connected(socket);
    if (peerCredentials(socket).uid !== uid) return failed('what listens there is not the agent');
    socket.write(probe.type === 'http' ? httpRequest(probe.path ?? '/') : GREETING);
    return probe.type === 'http' ? judgeStatusLine(await line) : judgeAnswer(await line);
  } finally {
    socket?.destroy();
    closeSync(descriptor);
  }
}

/** A handle to the socket, by the sandbox's own root and without following links. Throws with the reason in words. */
function openSocket(init: number, endpoint: string): number {
  const root = openSync(`/proc/${init}/root`, O_PATH | constants.O_DIRECTORY);
  let descriptor: number;
  try {
    descriptor = openatNoSymlinks(endpoint.slice(1), { flags: O_PATH, directory: root });
  } catch (error) {
    const errno = error instanceof BureauError ? String(error.data['errno']) : 'unknown';
    const why = errno === 'ENOENT' ? 'it is not there' : errno === 'ELOOP' ? 'a part of its path is a symlink' : errno;
    throw new BureauError('health_failed', `its health socket cannot be reached: ${why}`, { cause: error });
  } finally {
    closeSync(root);
  }
  if (fstatSync(descriptor).isSocket()) return descriptor;
  closeSync(descriptor);
  throw new BureauError('health_failed', 'its health socket cannot be reached: what is there is no socket');
}

/** Rejects when it is destroyed before. */
function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
    socket.once('close', reject);
  });
}

/** The first line of what it says, without its end; what follows is not read. */
function firstLine(socket: Socket, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = Buffer.alloc(0);
    const give = (why: string): void => reject(new BureauError('health_failed', why));
    socket.on('data', (piece: Buffer) => {
      said = Buffer.concat([said, piece.subarray(0, HEALTH_ANSWER_MAX_BYTES - said.length)]);
      const end = said.indexOf('\n');
      if (end >= 0) resolve(said.toString('utf8', 0, end));
      else if (said.length >= HEALTH_ANSWER_MAX_BYTES) give(`its answer has no line within ${HEALTH_ANSWER_MAX_BYTES} bytes`);
      if (end >= 0 || said.length >= HEALTH_ANSWER_MAX_BYTES) socket.destroy();
    });
    socket.on('error', reject);
    socket.once('close', () => give('it ended the connection without an answer'));
    signal.addEventListener('abort', () => socket.destroy(), { once: true });
  });
}

function httpRequest(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bureau-health\r\nAccept: */*\r\nConnection: close\r\n\r\n`;
}

function judgeStatusLine(line: string): HealthFinding {
  const [, status] = /^HTTP\/1\.[01] ([0-9]{3})(?:[ \r]|$)/.exec(line) ?? [];
  if (status === undefined) return failed('its answer is not HTTP/1');
  return status === '200' ? { healthy: true } : failed(`it answered with status ${status}, expected 200`);
}

function judgeAnswer(line: string): HealthFinding {
  let answer: unknown;
  try {
    answer = JSON.parse(line);
  } catch {
    // Falls through.
  }
  if (typeof answer !== 'object' || answer === null || !('healthy' in answer) || typeof answer.healthy !== 'boolean')
    return failed('expected a line such as {"healthy":true}, found something else');
  if (answer.healthy) return { healthy: true };
  return failed('reason' in answer && typeof answer.reason === 'string' ? `it says: ${answer.reason}` : 'it says that it is not well');
}

function failed(reason: string): HealthFinding {
  return { healthy: false, reason: oneLine(reason.replace(UNSEEN, ' '), HEALTH_REASON_MAX) };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
}
