// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { BureauError, parseServerName, type Clock, type ServerName } from '@bureau/core';
import {
  ensureFirstAccounts,
  findFreePort,
  homeserverCommand,
  homeserverLibrary,
  waitForHomeserver,
  writeHomeserverFiles,
} from '@bureau/homeserver';

/** What a stopping Synapse may take (measured 27–98 ms); after it, KILL and an error. */
const STOP_DEADLINE_MS = 20_000;
/** Most of the log that an error quotes. */
const LOG_TAIL_BYTES = 4_000;

export interface TestHomeserverOptions {
  /** The homeserver's state directory; made when missing, given to root:uid 0750. Its parent must let `uid` through (mkdtemp makes 0700: chmod it 0711). */
  readonly directory: string;
  /** Default: a free port. */
  readonly port?: number;
  /** Never 0. */
  readonly uid: number;
  /** Default true: open rate limits, quick password hashes. */
  readonly testing?: boolean;
  /** Default `bureau.test`. */
  readonly serverName?: string;
  /** Default room version, instead of the stand's. */
  readonly roomVersion?: string;
  /** Presence as well, which the stand has not. */
  readonly presence?: boolean;
}

export interface TestHomeserver extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly serverName: ServerName;
  /** Holds the registration token (root, 0600). */
  readonly tokenFile: string;
  /** What it wrote on stderr so far; empty when all is well. */
  log(): string;
  /** TERM, then waits until the process is gone; idempotent. Throws when it had to be killed. */
  stop(): Promise<void>;
}

/** Starts a real Synapse under an unprivileged uid, with its first accounts made. The caller stops it and removes the directory. */
export async function startHomeserver(options: TestHomeserverOptions): Promise<TestHomeserver> {
  if (options.uid === 0) throw new Error('expected an unprivileged uid for the homeserver');
  const serverName = parseServerName(options.serverName ?? 'bureau.test');
  const port = options.port ?? (await findFreePort());
  const url = `http://127.0.0.1:${port}`;
  const { directory, uid, testing = true } = options;
  const layout = writeHomeserverFiles({
    directory,
    serverName,
    port,
    uid,
    testing,
    library: testLibrary(),
    ...(options.roomVersion === undefined ? {} : { roomVersion: options.roomVersion }),
    ...(options.presence === undefined ? {} : { presence: options.presence }),
  });
  const { command, args, env, cwd } = homeserverCommand(layout);
  // As the service manager starts it; and it dies with the test's process, should that be killed.
  const drop = [
    '--reuid',
    `${uid}`,
    '--regid',
    `${uid}`,
    '--clear-groups',
    '--no-new-privs',
    '--inh-caps=-all',
    '--bounding-set=-all',
    '--pdeathsig',
    'KILL',
    '--',
  ];
  const child = spawn('/usr/bin/setpriv', [...drop, command, ...args], { env: { ...env }, cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-LOG_TAIL_BYTES)));
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ended = new AbortController();
  child.once('error', (cause) => ended.abort(cause));
  child.once('close', (code, signal) =>
    ended.abort(
      new BureauError(
        'homeserver_ended',
        `Expected the test homeserver to start, and it ended with ${code ?? signal}; its log ends: ${log}`,
      ),
    ),
  );
  const stop = (): Promise<void> => stopChild(child, exited);
  try {
    await waitForHomeserver({ url, clock: realClock(), signal: ended.signal });
    const { tokenFile } = await ensureFirstAccounts({ url, directory, signal: ended.signal });
    return { url, port, pid: child.pid ?? 0, serverName, tokenFile, log: () => log, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What `deploy/matrix/install.sh` of this checkout installs. */
function testLibrary(): string {
  return homeserverLibrary(readFileSync(new URL('../../../deploy/matrix/requirements.txt', import.meta.url)));
}

async function stopChild(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  let killed = false;
  const timer = setTimeout(() => {
    killed = true;
    child.kill('SIGKILL');
  }, STOP_DEADLINE_MS);
  child.kill('SIGTERM');
  await exited;
  clearTimeout(timer);
  if (killed)
    throw new BureauError(
      'homeserver_did_not_stop',
      `Expected the test homeserver to end within ${STOP_DEADLINE_MS} ms of SIGTERM; it was killed`,
    );
}

function realClock(): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    setTimer: (milliseconds, callback) => {
      const timer = setTimeout(callback, milliseconds);
      return { clear: () => clearTimeout(timer) };
    },
  };
}
