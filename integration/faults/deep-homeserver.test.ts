// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readCredentials, runCommand, startStand, until, type Stand } from '@bureau/testkit';

/** `upstreamAnswerMilliseconds` of a proxy is 30 s; its agent hears of it soon after. */
const PROXY_DEADLINE_MILLISECONDS = 30_000;
const SLACK_MILLISECONDS = 5_000;
/** Longer than the proxy's deadline, and than a homeserver without news is silent. */
const STOPPED_MILLISECONDS = 60_000;
/** Measured: below 1 s. The SDK waits up to some seconds between two attempts. */
const LIVE_MILLISECONDS = 60_000;
/** Measured: 6 s, of which 5 are the daemon's second look. */
const NOTICED_MILLISECONDS = 30_000;

/** Posts one message after the other; a line `BEGAN ENDED STATUS TYPE CODE` for each in its workspace. */
const ASKER = `
const { request } = require('node:http');
const { appendFileSync } = require('node:fs');
const call = (number) => new Promise((resolve) => {
  const body = JSON.stringify({ body: 'message ' + number, transaction_id: 'asker-' + number });
  const headers = { host: 'bureau', 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const out = request({ socketPath: '/proxy.sock', path: '/v1/matrix/rooms/' + encodeURIComponent(process.argv[1]) + '/messages', method: 'POST', headers, agent: false });
  out.once('response', (answer) => {
    const parts = [];
    answer.on('data', (part) => parts.push(part));
    answer.once('end', () => resolve([answer.statusCode, answer.headers['content-type'], JSON.parse(Buffer.concat(parts)).code || '-'].join(' ')));
  });
  out.once('error', (error) => resolve('0 - ' + error.code));
  out.end(body);
});
(async () => {
  for (let number = 0; ; number += 1) {
    const began = Date.now();
    const outcome = await call(number);
    appendFileSync('/workspace/asker.log', began + ' ' + Date.now() + ' ' + outcome + '\\n');
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
})();
`;

interface Service {
  readonly name: string;
  readonly pid: number | null;
  readonly restarts: number;
}
interface MachineStatus {
  readonly services: readonly Service[];
  readonly daemon: { readonly sync: string; readonly lastSyncAt: number | null } | null;
}

let stand: Stand;
before(async () => (stand = await startStand()));
after(async () => await stand.end());

async function machineStatus(): Promise<MachineStatus | undefined> {
  const { code, stdout } = await stand.bureau(['machine', 'status', '--json']);
  return code === 0 ? (JSON.parse(stdout) as MachineStatus) : undefined;
}

/** None while the daemon begins anew. */
async function agents(): Promise<string[]> {
  const { stdout } = await stand.bureau(['agent', 'list']);
  return stdout.split('\n').filter((line) => line !== '');
}

async function succeeds(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await stand.bureau(args);
  assert.equal(code, 0, stderr);
  return stdout;
}

interface Asked {
  readonly began: number;
  readonly ended: number;
  readonly status: number;
  readonly type: string;
  readonly code: string;
}

function asked(file: string): Asked[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const [began, ended, status, type = '', code = ''] = line.split(' ');
    return { began: Number(began), ended: Number(ended), status: Number(status), type, code };
  });
}

test('a homeserver that stands still: calls end at the proxy’s deadline, nothing else does, all is live again afterwards', async (t) => {
  const room = readCredentials(stand.facts.credential_file).get('MATRIX_AGENTS_ROOM') ?? '';
  const node = `${realpathSync(stand.paths.buildLink)}/bin/node`;
  await succeeds(['agent', 'deploy', 'fault/asker', '--', node, '-e', ASKER, room]);
  const file = `${stand.paths.workspaceRoot}/fault/asker/asker.log`;
  await until('the first message', LIVE_MILLISECONDS, () => asked(file).some(({ status }) => status === 200 || status === 201));
  const living = stand.lasting();
  const { pid } = stand.process('homeserver');
  const stopped = Date.now();
  process.kill(pid, 'SIGSTOP');
  let late: Asked;
  try {
    late = await until('an answer without the homeserver', PROXY_DEADLINE_MILLISECONDS + 2 * SLACK_MILLISECONDS, () =>
      asked(file).find(({ began, status }) => began + SLACK_MILLISECONDS > stopped && status >= 500),
    );
    const status = await machineStatus();
    assert.ok(status !== undefined, 'machine status answers');
    t.diagnostic(`${late.status} ${late.code} after ${late.ended - late.began} ms; sync ${status.daemon?.sync ?? 'unknown'} meanwhile`);
    assert.ok(Date.now() - stopped < STOPPED_MILLISECONDS);
    await until('a whole minute', STOPPED_MILLISECONDS, () => Date.now() - stopped >= STOPPED_MILLISECONDS);
    assert.match(await succeeds(['machine', 'status']), /sync silent: the homeserver has sent nothing since \d{4}-/);
    assert.match(await succeeds(['agent', 'list']), /fault\/asker +running/);
    assert.deepEqual(stand.lasting(), living, 'nobody ended');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  const continued = Date.now();
  assert.ok(late.status === 504 || late.status === 502, JSON.stringify(late));
  assert.match(late.type, /^application\/problem\+json/);
  assert.match(late.code, /^upstream_/);
  assert.ok(late.ended - late.began < PROXY_DEADLINE_MILLISECONDS + SLACK_MILLISECONDS, JSON.stringify(late));
  await until('the daemon live again', LIVE_MILLISECONDS, async () => {
    const { daemon } = (await machineStatus()) ?? { daemon: null };
    return daemon?.sync === 'live' && (daemon.lastSyncAt ?? 0) >= continued;
  });
  await until('the next message', LIVE_MILLISECONDS, () => asked(file).some(({ began, status }) => began > continued && status < 300));
  t.diagnostic(`all live again after ${Date.now() - continued} ms`);
  assert.equal(await succeeds(['run', 'fault/after', '--', 'echo', 'works']), 'works\n');
  await until('the same processes as before', LIVE_MILLISECONDS, () => stand.lasting().join() === living.join());
  await succeeds(['agent', 'remove', 'fault/asker']);
});

test('a homeserver restored from an older copy: the daemon forgets what the homeserver does not know, and says so', async (t) => {
  const place = mkdtempSync(join(tmpdir(), 'bureau-copy-'));
  const data = `${stand.paths.homeserverStateDirectory}/data`;
  const copy = async (from: string, to: string): Promise<void> => {
    rmSync(to, { recursive: true, force: true });
    const { code, stderr } = await runCommand('/bin/cp', ['--archive', from, to]);
    assert.equal(code, 0, stderr);
  };
  try {
    await succeeds(['agent', 'deploy', 'fault/older', '--', 'sleep', '1000']);
    await stand.down();
    await copy(data, `${place}/data`);
    assert.equal((await stand.up()).code, 0);
    await succeeds(['agent', 'deploy', 'fault/newer', '--', 'sleep', '1000']);
    await succeeds(['agent', 'remove', 'fault/older']);
    await succeeds(['run', 'fault/once', '--', 'true']);
    await stand.down();
    await copy(`${place}/data`, data);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
  const up = await stand.up();
  assert.equal(up.code, 0, up.stderr);
  const began = Date.now();
  await until('the agents of the copy and no other', NOTICED_MILLISECONDS, async () => {
    const lines = await agents();
    return lines.some((line) => /^fault\/older +running/.test(line)) && !lines.some((line) => line.startsWith('fault/newer'));
  });
  t.diagnostic(`the machine does what the copy says ${Date.now() - began} ms after script/up`);
  assert.match(readFileSync(`${stand.paths.logDir}/daemon.log`, 'utf8'), /other state than it told us.*restored from an older copy/);
  const status = await machineStatus();
  assert.equal(status?.daemon?.sync, 'live');
  assert.equal(status.services.find(({ name }) => name === 'daemon')?.restarts, 0, 'it goes on in place');
  // Accounts that were made after the copy are unknown there: they are made again, with no more than the usual command.
  await succeeds(['run', 'fault/once', '--', 'true']);
  await succeeds(['agent', 'deploy', 'fault/newer', '--', 'sleep', '1000']);
  await until('the newer agent back', NOTICED_MILLISECONDS, async () =>
    (await agents()).some((line) => /^fault\/newer +running/.test(line)),
  );
});
