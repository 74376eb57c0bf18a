// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { hasCode, parseInstanceName, parseLocalpart, parseServerName } from '@bureau/core';
import { instancePaths } from '@bureau/instance';
import { MatrixClient, readCredentialFile, setUpMatrix } from '@bureau/matrix';
import { systemClock } from '@bureau/process';
import { startHomeserver, type TestHomeserver } from '@bureau/testkit/homeserver';
import * as v from 'valibot';
import type { OperationContext } from '../registry/context.ts';
import { OPERATIONS } from '../registry/operations.ts';
import type { AnyOperation } from '../registry/operation.ts';

/** Holds back what a command line would print. */
export class Capture extends PassThrough {
  text = '';
  readonly #wanted = new Set<() => void>();

  constructor() {
    super();
    this.setEncoding('utf8').on('data', (piece: string) => {
      this.text += piece;
      for (const look of this.#wanted) look();
    });
  }

  /** Resolves when `pattern` is in what was written; the test's time limit is the deadline. */
  async until(pattern: RegExp): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      if (pattern.test(this.text)) resolve();
    };
    this.#wanted.add(look);
    look();
    await promise;
    this.#wanted.delete(look);
  }
}

/** The error with which some work was refused. Fails when it was not, or by another code. */
export async function refused(work: Promise<unknown>, code: string): Promise<Error> {
  const error = await work.then(
    (value) => assert.fail(`expected ${code}, got ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  assert.ok(hasCode(error, code), `expected ${code}, got ${String(error)}`);
  return error;
}

/** An operation by its words on the command line. */
export function operationNamed(name: string): AnyOperation {
  const found = OPERATIONS.find((each) => each.name === name);
  assert.ok(found !== undefined, `no operation ${name}`);
  return found;
}

/** A homeserver that `matrix setup` has been run on, and operations called as the command line calls them. */
export class TestOperator implements AsyncDisposable {
  homeserver: TestHomeserver;
  readonly directory: string;
  readonly credentialFile: string;
  readonly output = new Capture();
  readonly notes = new Capture();
  readonly #uid: number;

  private constructor(homeserver: TestHomeserver, directory: string, uid: number) {
    this.homeserver = homeserver;
    this.directory = directory;
    this.credentialFile = join(directory, 'credentials');
    this.#uid = uid;
  }

  static async start(uid: number): Promise<TestOperator> {
    const directory = mkdtempSync(join(tmpdir(), 'bureau-operations-'));
    chmodSync(directory, 0o711);
    try {
      const homeserver = await startHomeserver({ directory: join(directory, 'homeserver'), uid });
      const operator = new TestOperator(homeserver, directory, uid);
      await setUpMatrix({
        homeserverUrl: operator.homeserver.url,
        credentialFilePath: operator.credentialFile,
        registrationToken: operator.registrationToken,
        clock: systemClock,
      });
      return operator;
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  get registrationToken(): string {
    return readFileSync(this.homeserver.tokenFile, 'latin1').trim();
  }

  get token(): string {
    return readCredentialFile(this.credentialFile).get('MATRIX_ADMIN_TOKEN') ?? '';
  }

  /** Ends the homeserver and starts it again with the same state at the same place. */
  async restart(whileDown: () => Promise<void>): Promise<void> {
    const { port } = this.homeserver;
    await this.homeserver.stop();
    await whileDown();
    this.homeserver = await startHomeserver({ directory: join(this.directory, 'homeserver'), uid: this.#uid, port });
  }

  /** Another account of the server, as a client. */
  async user(name: string): Promise<MatrixClient> {
    const client = new MatrixClient({ homeserverUrl: this.homeserver.url, clock: systemClock });
    const session = await client.register({
      username: parseLocalpart(name),
      password: `password of ${name}`,
      registrationToken: this.registrationToken,
      deviceId: 'TEST',
    });
    return client.withToken(session.accessToken);
  }

  /** Runs an operation with input that its schema judges, as the command line does; its result must be of its own output schema. */
  async call<Result = unknown>(
    operation: AnyOperation,
    input: Readonly<Record<string, unknown>>,
    more: Partial<OperationContext> = {},
  ): Promise<Result> {
    const result = await operation.handler(v.parse(operation.input, input) as never, this.context(more));
    return v.parse(operation.output, result) as Result;
  }

  context(more: Partial<OperationContext> = {}): OperationContext {
    return {
      paths: instancePaths(parseInstanceName('none')),
      buildDirectory: '/none',
      build: 'none',
      clock: systemClock,
      signal: new AbortController().signal,
      uid: 0,
      input: Readable.from([]),
      output: this.output,
      error: new Capture(),
      progress: (line) => void this.notes.write(`${line}\n`),
      json: false,
      credentialFileVariable: this.credentialFile,
      ...more,
    };
  }

  readonly serverName = parseServerName('bureau.test');

  async [Symbol.asyncDispose](): Promise<void> {
    await this.homeserver.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
