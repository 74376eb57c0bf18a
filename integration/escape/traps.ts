// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttackFacts } from '@bureau/escape';
import { runCommand } from '@bureau/testkit';

/** CAP_DAC_OVERRIDE and CAP_NET_RAW, permitted and effective: `struct vfs_cap_data` of version 2. */
const FILE_CAPABILITIES = '0x0100000202200000000000000000000000000000';

/** A process of the host with a terminal that anybody who can name it may open. */
const BYSTANDER = `
import os, sys
master, slave = os.openpty()
os.chmod(os.ttyname(slave), 0o666)
print('up', flush=True)
sys.stdin.readline()
`;

/** What attacks would find on the host if the wall let them: real listeners, a real process, real files. */
export class Traps implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'bureau-escape-'));
  /** A directory that somebody could bind, with `secret` (root's, 0600) and `kept`. */
  readonly bound = join(this.directory, 'bound');
  /** A place of another principal, readable to everybody who gets there. */
  readonly other = join(this.directory, 'other');
  readonly #tcp: Server = createServer((socket) => socket.end());
  readonly #abstract: Server = createServer((socket) => socket.end());
  readonly #udp = createSocket('udp4');
  #process: ChildProcess | undefined;
  /** Datagrams that reached the host. */
  datagrams = 0;

  async start(): Promise<void> {
    chmodSync(this.directory, 0o755);
    for (const place of [this.bound, this.other]) mkdirSync(place, { mode: 0o777 });
    for (const place of [this.bound, this.other]) chmodSync(place, 0o777);
    writeFileSync(join(this.bound, 'kept'), 'kept', { mode: 0o666 });
    chmodSync(join(this.bound, 'kept'), 0o666);
    writeFileSync(join(this.bound, 'secret'), 'secret', { mode: 0o600 });
    writeFileSync(join(this.other, 'file'), 'other', { mode: 0o644 });
    this.#tcp.listen(0, '127.0.0.1');
    this.#abstract.listen(`\0${this.abstractSocket}`);
    this.#udp.on('message', (_data, from) => {
      this.datagrams += 1;
      this.#udp.send('here', from.port, from.address);
    });
    this.#udp.bind(0, '127.0.0.1');
    await Promise.all([once(this.#tcp, 'listening'), once(this.#abstract, 'listening'), once(this.#udp, 'listening')]);
    this.#process = spawn('/usr/bin/python3', ['-I', '-c', BYSTANDER, this.processMarker.join('')], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(this.#process.stdout ?? assert.fail('piped'), 'data');
  }

  get abstractSocket(): string {
    return `bureau-escape-${process.pid}`;
  }

  get processMarker(): readonly [string, string] {
    return [`bureau-escape-${process.pid}-`, 'victim'];
  }

  /** Puts two programs into a payload's workspace that would make more of it than it is. */
  async plantPrograms(workspace: string): Promise<void> {
    const [setUserId, capable] = [join(workspace, 'escape-id'), join(workspace, 'escape-cat')];
    copyFileSync('/usr/bin/id', setUserId);
    copyFileSync('/bin/cat', capable);
    for (const path of [setUserId, capable]) chownSync(path, 0, 0);
    chmodSync(setUserId, 0o4755);
    chmodSync(capable, 0o755);
    const program = `import os, sys; os.setxattr(sys.argv[1], 'security.capability', bytes.fromhex(sys.argv[2][2:]))`;
    const { code, stderr } = await runCommand('/usr/bin/python3', ['-I', '-c', program, capable, FILE_CAPABILITIES]);
    if (code !== 0) throw new Error(`no file capabilities could be set: ${stderr}`);
  }

  facts(more: Pick<AttackFacts, 'hostPaths' | 'markers' | 'ownPaths' | 'readOnlyBind'>): AttackFacts {
    return {
      tcpPort: (this.#tcp.address() as AddressInfo).port,
      udpPort: this.#udp.address().port,
      abstractSocket: this.abstractSocket,
      addresses: Object.values(networkInterfaces()).flatMap((all = []) =>
        all.filter((one) => !one.internal).map((one) => one.address.replace(/%.*/, '')),
      ),
      processMarker: this.processMarker,
      setUserId: '/workspace/escape-id',
      fileCapabilities: '/workspace/escape-cat',
      ...more,
      hostPaths: ['/etc/shadow', '/root', '/var/lib', this.other, ...more.hostPaths],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.#tcp, this.#abstract]) server.close();
    this.#udp.close();
    if (this.#process !== undefined) {
      const ended = once(this.#process, 'close');
      this.#process.stdin?.end();
      await ended;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}
