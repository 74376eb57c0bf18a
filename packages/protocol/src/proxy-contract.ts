// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { authorizationList } from './authorization.ts';
import { call } from './contract.ts';
import { bytes, digest, integer, principalName, text } from './scalars.ts';

/** Most bytes of the secrets of one principal. */
export const SECRETS_MAX_BYTES = 64 * 1024;
/** Most bytes of a bundle's header. */
export const HEADER_MAX_BYTES = 128 * 1024;

/** Launcher → proxy, on `.p/<n>/admin/admin.sock`; peer uid 0 only. */
export const proxyContract = {
  name: 'proxy',
  methods: {
    /**
     * Hands over a verified bundle: the header as it was signed and the secrets (msgpack map of name → bin).
     * May be repeated (rotation): requests that start after the answer use the new keys only.
     */
    configure: call(
      v.strictObject({ principal: principalName, header: bytes(HEADER_MAX_BYTES), secrets: bytes(SECRETS_MAX_BYTES) }),
      v.strictObject({ digest }),
    ),
    /** What the principal may do from now on; requests that have been judged go on. Replaces the list before as a whole. */
    authorize: call(v.strictObject({ principal: principalName, authorization: authorizationList }), v.strictObject({})),
    status: call(
      v.strictObject({}),
      v.strictObject({ build: text(100), principal: v.nullable(principalName), requests: integer(0, Number.MAX_SAFE_INTEGER) }),
    ),
  },
} as const;
