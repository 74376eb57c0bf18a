// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';

/** `session.json` in the daemon's state directory, 0600, its own: the machine account's access token. */
export const daemonSession = v.strictObject({ v: v.literal(1), accessToken: v.pipe(v.string(), v.minLength(1), v.maxLength(1_000)) });

/** Most bytes of `session.json`. */
export const SESSION_MAX_BYTES = 4_096;
