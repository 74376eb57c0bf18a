// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BureauError } from '@bureau/core';
import { connect } from '@bureau/ipc';
import { listenUnix } from '@bureau/native';
import { CgroupTree, PoolMember, systemClock } from '@bureau/process';
import { proxyContract } from '@bureau/protocol';

const MAIN = join(import.meta.dirname, 'main.ts');

/** Below every instance's range; another one in each test process. */
const UID = 197_000 + (process.pid % 1_000);

/** An empty map of msgpack. */
const NO_SECRETS = Buffer.from([0x80]);

/** The process as the service manager keeps it waiting, with its order given. */
class ProxyProcess implements AsyncDisposable {
  readonly member: PoolMember;
  readonly directory: string;
  readonly #tree: CgroupTree;

  private constructor(member: PoolMember, directory: string, tree: CgroupTree) {
    this.member = member;
    this.directory = directory;
    this.#tree = tree;
  }

  static async start(numbers: readonly number[] = [UID, 3, 0], args: readonly string[] = [], logFile?: string): Promise<ProxyProcess> {
    const directory = mkdtempSync(join(tmpdir(), 'bureau-proxy-app-'));
    chmodSync(directory, 0o755);
    const agent = listenUnix(join(directory, 'proxy.sock'), { mode: 0o666 });
    const admin = listenUnix(join(directory, 'admin.sock'), { mode: 0o666 });
    const openLog = (): number => openSync(logFile ?? join(directory, 'log'), 'a');
    const log = openLog();
    const tree = CgroupTree.open(`bureau-test-${process.pid}`);
    const member = await PoolMember.start(
      { command: process.execPath, args: [MAIN, ...args], environment: {}, openLog },
      tree.group('proxy'),
      systemClock,
    );
    await member.warm;
    member.order(numbers, [log, agent, admin]);
    for (const fd of [agent, admin, log]) closeSync(fd);
    return new ProxyProcess(member, directory, tree);
  }

  get(path: string): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      request({ socketPath: join(this.directory, 'proxy.sock'), path, headers: { host: 'bureau' } }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
      })
        .once('error', reject)
        .end();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.member.end();
    this.#tree.remove();
    rmSync(this.directory, { recursive: true });
  }
}

test('the process serves the sockets of its order, cannot be dumped, and ends with 0 on SIGTERM', async () => {
  await using proxy = await ProxyProcess.start();
  await proxy.member.ready();
  const early = proxy.get('/healthz');
  using admin = await connect({
    path: join(proxy.directory, 'admin.sock'),
    contract: proxyContract,
    role: 'launcher',
    build: 'hash',
    expectUid: UID,
    clock: systemClock,
  });
  assert.equal((await admin.call('status', {})).requests, 0);
  const now = Date.now();
  const header = {
    v: 1,
    principal: 'probe/one',
    machine: 'machine/test',
    user_id: '@probe/one:t',
    issued_at: now,
    expires_at: now + 60_000,
    upstreams: {},
  };
  await admin.call('configure', { principal: header.principal as never, header: Buffer.from(JSON.stringify(header)), secrets: NO_SECRETS });
  assert.deepEqual(await early, { status: 200, text: '{"status":"ok"}' }, 'who came before the keys was held until they were there');
  const { pid } = proxy.member;
  assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /Max core file size +0 +0 /);
  assert.equal(statSync(`/proc/${pid}/environ`).uid, 0);
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
    assert.match(status, new RegExp(`^Uid:(\\s+${UID}){4}$`, 'm'));
    assert.match(status, /^CapPrm:\s+0+\nCapEff:\s+0+\nCapBnd:\s+0+\nCapAmb:\s+0+$/m);
  }
  process.kill(pid, 'SIGTERM');
  assert.deepEqual(await proxy.member.exited, { code: 0, signal: null });
});

test('the process ends when its order would leave it root', async () => {
  await using proxy = await ProxyProcess.start([0, 3, 0]);
  assert.deepEqual(await proxy.member.exited, { code: 1, signal: null });
  assert.match(readFileSync(join(proxy.directory, 'log'), 'utf8'), /Expected a uid/);
});

test('the process that cannot record what its agent does says why to who waits for it, also when its log takes no line', async () => {
  const logs = mkdtempSync(join(tmpdir(), 'bureau-proxy-app-'));
  try {
    await using proxy = await ProxyProcess.start([UID, 3, 0], ['--access-logs', logs], '/dev/full');
    await assert.rejects(proxy.member.ready(), (error: BureauError) => {
      assert.equal(error.code, 'member_not_warm');
      assert.equal(error.data['why'], `EACCES: permission denied, open '${logs}/proxy-3/access.jsonl'`);
      return true;
    });
    assert.deepEqual(await proxy.member.exited, { code: 1, signal: null });
  } finally {
    rmSync(logs, { recursive: true });
  }
});
