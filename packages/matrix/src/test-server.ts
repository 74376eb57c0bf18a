// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseLocalpart, type Clock } from '@bureau/core';
import { startHomeserver, type TestHomeserver } from '@bureau/testkit/homeserver';
import { MatrixClient } from './client.ts';
import { readCredentialFile } from './credential-file.ts';

/** Real time, for tests against a real server. */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    return { clear: () => clearTimeout(timer) };
  },
};

/** A real Synapse with a temporary directory; for tests of this package. */
export class TestServer implements AsyncDisposable {
  readonly homeserver: TestHomeserver;
  readonly directory: string;

  private constructor(homeserver: TestHomeserver, directory: string) {
    this.homeserver = homeserver;
    this.directory = directory;
  }

  static async start(uid: number): Promise<TestServer> {
    const directory = mkdtempSync(join(tmpdir(), 'bureau-matrix-'));
    try {
      chmodSync(directory, 0o711);
      return new TestServer(await startHomeserver({ directory: join(directory, 'homeserver'), uid }), directory);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  get registrationToken(): string {
    return readFileSync(this.homeserver.tokenFile, 'latin1').trim();
  }

  /** Without a token. */
  client(): MatrixClient {
    return new MatrixClient({ homeserverUrl: this.homeserver.url, clock: realClock });
  }

  /** With the token of a credential file that set-up wrote. */
  administrator(credentialFilePath: string): MatrixClient {
    return this.client().withToken(readCredentialFile(credentialFilePath).get('MATRIX_ADMIN_TOKEN') ?? '');
  }

  /** A fresh account. */
  async user(name: string): Promise<MatrixClient> {
    const session = await this.client().register({
      username: parseLocalpart(name),
      password: `password of ${name}`,
      registrationToken: this.registrationToken,
      deviceId: 'TEST',
    });
    return this.client().withToken(session.accessToken);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.homeserver.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
