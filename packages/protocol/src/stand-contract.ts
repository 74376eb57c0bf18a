// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { call } from './contract.ts';
import { integer, principalNumber, text, timestamp } from './scalars.ts';

export const serviceStatus = v.strictObject({
  name: text(40),
  state: v.picklist(['starting', 'running', 'restarting', 'stopped', 'failed']),
  pid: v.nullable(integer(1, 2 ** 31)),
  uid: integer(0, 2 ** 32),
  restarts: integer(0, 1_000_000),
  since: timestamp,
  /** How it ended last, for a person. */
  lastExit: v.optional(text(200)),
});
export type ServiceStatus = v.InferOutput<typeof serviceStatus>;

/** Launcher and operator → service manager, on `.sys/stand.sock`; peer uid 0 only. Carries numbers, nothing else. */
export const standContract = {
  name: 'stand',
  methods: {
    /** Binds the sockets of proxy *n* unless it runs: who connects from now on waits for it. It is to be started soon. */
    listenProxy: call(v.strictObject({ number: principalNumber }), v.strictObject({})),
    /** Starts proxy *n* unless it runs; answers when it accepts connections. */
    startProxy: call(v.strictObject({ number: principalNumber }), v.strictObject({ pid: integer(1, 2 ** 31) })),
    /** Stops proxy *n*; answers when nothing of it is left. */
    stopProxy: call(v.strictObject({ number: principalNumber }), v.strictObject({})),
    status: call(v.strictObject({}), v.strictObject({ build: text(100), services: v.array(serviceStatus) })),
    /** Starts one of the stand's own services unless it runs; answers when it is ready. */
    start: call(v.strictObject({ service: v.picklist(['homeserver', 'launcher', 'daemon']) }), v.strictObject({})),
    /** Stops launcher and daemon and leaves; homeserver, proxies, relays and sandboxes stay for the next service manager. */
    handOver: call(v.strictObject({}), v.strictObject({})),
    /** Ends everything of the stand; answers just before the service manager itself leaves. */
    shutDown: call(v.strictObject({ graceMilliseconds: integer(0, 600_000) }), v.strictObject({})),
  },
} as const;
