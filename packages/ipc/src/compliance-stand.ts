// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BureauError, type Clock } from '@bureau/core';
import { bytes, call, integer, stream } from '@bureau/protocol';
import * as v from 'valibot';
import type { connect, IpcClient } from './client.ts';
import type { CallContext, Handlers } from './handlers.ts';
import type { IpcLimits } from './limits.ts';
import type { Log } from './log.ts';
import { machineClock } from './testing-clock.ts';
import type { IpcServer, serve, ServeOptions } from './server.ts';

/** What the suite is run on: one engine's two functions. */
export interface IpcEngine {
  readonly serve: typeof serve;
  readonly connect: typeof connect;
}

/** Longest that one test of the suite may take: nothing may hang. */
const TEST_MILLISECONDS = 15_000;

/** A test of the suite, which fails when it hangs. */
export function suiteTest(name: string, body: () => Promise<void>): void {
  test(name, { timeout: TEST_MILLISECONDS }, body);
}

const anything = v.unknown();

/** The contract of the suite: one method for each thing that can go right or wrong. */
export const suiteContract = {
  name: 'suite',
  methods: {
    add: call(v.strictObject({ a: integer(-1e9, 1e9), b: v.optional(integer(-1e9, 1e9), 1) }), v.strictObject({ sum: v.number() })),
    nested: call(v.strictObject({ list: v.array(v.strictObject({ name: v.string() })) }), v.strictObject({})),
    echoBytes: call(v.strictObject({ data: bytes(16 * 1024 * 1024) }), v.strictObject({ data: bytes(16 * 1024 * 1024) })),
    echoText: call(v.strictObject({ text: v.string() }), v.strictObject({ text: v.string() })),
    /** Answers with that many bytes. */
    blob: call(v.strictObject({ size: integer(0, 2 ** 30) }), v.strictObject({ data: bytes(2 ** 30) })),
    fail: call(v.strictObject({ how: v.picklist(['known', 'unknown']) }), v.strictObject({})),
    /** Answers when the test lets it, or throws the reason of its signal. */
    hold: call(v.strictObject({ key: v.string() }), v.strictObject({ key: v.string() })),
    /** Answers something that its schema does not allow. */
    lie: call(v.strictObject({}), v.strictObject({ truth: v.boolean() })),
    trace: call(v.strictObject({}), v.strictObject({ traceId: v.string(), uid: v.number(), role: v.string(), build: v.string() })),
    /** Answers whatever it is given. */
    any: call(anything, anything),
    count: stream(v.strictObject({ to: integer(0, 1e9) }), v.number(), v.strictObject({ last: v.number() })),
    /** One chunk, then nothing until its signal is aborted. */
    watch: stream(v.strictObject({}), v.string(), v.strictObject({})),
    breaks: stream(v.strictObject({ after: integer(0, 100) }), v.number(), v.strictObject({})),
    lies: stream(v.strictObject({}), v.number(), v.strictObject({})),
    blobs: stream(v.strictObject({ size: integer(0, 2 ** 20) }), bytes(2 ** 20), v.strictObject({})),
  },
} as const;
export type SuiteContract = typeof suiteContract;

/** What a test sees of the server's inside. */
export class Witness {
  /** Chunks that `count` and `blobs` were asked for. */
  pulled = 0;
  /** Names of the streams whose `finally` ran. */
  readonly finished: string[] = [];
  readonly held = new Map<string, PromiseWithResolvers<{ key: string }> & { readonly context: CallContext }>();
  readonly #arrived = new Map<string, PromiseWithResolvers<void>>();
  readonly logged: { readonly level: string; readonly fields: object; readonly message: string }[] = [];
  readonly log: Log;

  constructor() {
    const at = (level: string) => (fields: object, message: string) => void this.logged.push({ level, fields, message });
    this.log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  }

  /** Resolves when something named so has happened. */
  seen(key: string): Promise<void> {
    return this.#mark(key).promise;
  }

  saw(key: string): void {
    this.#mark(key).resolve();
  }

  #mark(key: string): PromiseWithResolvers<void> {
    const known = this.#arrived.get(key);
    if (known !== undefined) return known;
    const made = Promise.withResolvers<void>();
    this.#arrived.set(key, made);
    return made;
  }
}

/** What the methods of the suite do. */
export function suiteHandlers(witness: Witness): Handlers<SuiteContract> {
  return {
    add: ({ a, b }) => ({ sum: a + b }),
    nested: () => ({}),
    echoBytes: async ({ data }) => ({ data: Buffer.from(data) }),
    echoText: ({ text }) => ({ text }),
    blob: ({ size }) => ({ data: Buffer.alloc(size, 1) }),
    fail: ({ how }) => {
      if (how === 'known')
        throw new BureauError('principal_busy', 'It is busy.', { data: { principal: 'a/b', tries: 3, all: ['x'], none: null } });
      throw new Error('hunter2 is the password');
    },
    hold: ({ key }, context) => {
      const held = { ...Promise.withResolvers<{ key: string }>(), context };
      witness.held.set(key, held);
      context.signal.addEventListener('abort', () => {
        witness.saw(`aborted ${key} ${(context.signal.reason as BureauError).code}`);
        held.reject(context.signal.reason);
      });
      context.connection.onClose(() => witness.saw(`closed ${key}`));
      witness.saw(key);
      return held.promise;
    },
    lie: () => ({ truth: 'no' }) as never,
    trace: (_, { connection, peer, traceId }) => ({ traceId, uid: peer.uid, role: connection.role, build: connection.build }),
    any: (input) => input,
    async *count({ to }) {
      try {
        for (let index = 0; index < to; index += 1) {
          witness.pulled += 1;
          yield index;
        }
        return { last: to };
      } finally {
        witness.finished.push('count');
        witness.saw('finally count');
      }
    },
    async *watch(_, { signal }) {
      try {
        yield 'first';
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
        return {};
      } finally {
        witness.finished.push('watch');
        witness.saw(`finally watch ${(signal.reason as BureauError | undefined)?.code ?? 'no reason'}`);
      }
    },
    async *breaks({ after }) {
      for (let index = 0; index < after; index += 1) yield index;
      throw new BureauError('not_running', 'It broke.');
    },
    async *lies() {
      try {
        yield 1;
        yield 'two' as never;
        yield 3;
        return {};
      } finally {
        witness.saw('finally lies');
      }
    },
    async *blobs({ size }) {
      try {
        for (;;) {
          witness.pulled += 1;
          yield Buffer.alloc(size, 1);
        }
      } finally {
        witness.saw('finally blobs');
      }
    },
  };
}

/** One served socket in a directory of its own; leaves nothing behind. */
export interface Stand extends AsyncDisposable {
  readonly path: string;
  readonly directory: string;
  readonly server: IpcServer;
  readonly witness: Witness;
  client(options?: { readonly limits?: Partial<IpcLimits>; readonly clock?: Clock }): Promise<IpcClient<SuiteContract>>;
}

/** Serves the suite's contract. */
export async function startStand(
  engine: IpcEngine,
  options: Partial<Pick<ServeOptions<SuiteContract>, 'allowUids' | 'clock' | 'limits' | 'peerOf'>> = {},
): Promise<Stand> {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-ipc-'));
  const path = join(directory, 'suite.sock');
  const witness = new Witness();
  const clock = options.clock ?? machineClock;
  const server = await engine.serve({
    allowUids: [process.getuid?.() ?? 0],
    ...options,
    clock,
    path,
    contract: suiteContract,
    handlers: suiteHandlers(witness),
    role: 'server',
    build: 'server-build',
    logger: witness.log,
  });
  const clients = new Set<IpcClient<SuiteContract>>();
  return {
    path,
    directory,
    server,
    witness,
    client: async (more = {}) => {
      const client = await engine.connect({ path, contract: suiteContract, role: 'client', build: 'client-build', clock, ...more });
      clients.add(client);
      return client;
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.close();
      for (const held of witness.held.values()) held.resolve({ key: '' });
      await server.close();
      rmSync(directory, { recursive: true });
    },
  };
}
