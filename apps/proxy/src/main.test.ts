// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from '@bureau/ipc';
import { listenUnix } from '@bureau/native';
import { startChild, systemClock, type Child } from '@bureau/process';
import { proxyContract } from '@bureau/protocol';

const MAIN = join(import.meta.dirname, 'main.ts');

/** The process as the service manager starts it, but with the uid of this test. */
class ProxyProcess implements AsyncDisposable {
  readonly child: Child;
  readonly directory: string;

  private constructor(child: Child, directory: string) {
    this.child = child;
    this.directory = directory;
  }

  static async start(args = ['--number', '3', '--payload-uid', '0', '--build', 'hash']): Promise<ProxyProcess> {
    const directory = mkdtempSync(join(tmpdir(), 'bureau-proxy-app-'));
    const agent = listenUnix(join(directory, 'proxy.sock'), { mode: 0o666 });
    const admin = listenUnix(join(directory, 'admin.sock'), { mode: 0o666 });
    const log = openSync(join(directory, 'log'), 'a');
    try {
      const stdio = ['ignore', log, log, agent, admin, 'pipe'] as const;
      const child = await startChild({ command: process.execPath, args: [MAIN, ...args], env: {}, stdio, readyFd: 5, clock: systemClock });
      return new ProxyProcess(child, directory);
    } catch (error) {
      rmSync(directory, { recursive: true });
      throw error;
    } finally {
      for (const fd of [agent, admin, log]) closeSync(fd);
    }
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
    await this.child.stop(1_000);
    rmSync(this.directory, { recursive: true });
  }
}

test('the process serves its inherited sockets, cannot be dumped, and ends with 0 on SIGTERM', async () => {
  await using proxy = await ProxyProcess.start();
  assert.deepEqual(await proxy.get('/healthz'), { status: 503, text: '{"status":"unconfigured"}' });
  using admin = await connect({
    path: join(proxy.directory, 'admin.sock'),
    contract: proxyContract,
    role: 'launcher',
    build: 'hash',
    clock: systemClock,
  });
  assert.deepEqual(await admin.call('status', {}), { build: 'hash', principal: null, requests: 1 });
  assert.match(readFileSync(`/proc/${proxy.child.pid}/limits`, 'utf8'), /Max core file size +0 +0 /);
  assert.deepEqual(await proxy.child.stop(5_000), { code: 0, signal: null });
});

test('the process refuses to start without its arguments, and says which', async () => {
  await assert.rejects(ProxyProcess.start(['--number', 'x']), { code: 'child_failed' });
});
