// SPDX-License-Identifier: Apache-2.0
import { authorizationList } from '@bureau/protocol';
import { defineRoute } from '../router.ts';

/** What this principal may do, denials included: what every call is judged by. */
export const grants = defineRoute({
  method: 'GET',
  path: '/v1/grants',
  service: 'proxy',
  summary: 'Says what this principal may do; a denial wins over every grant',
  output: authorizationList,
  handle: (_call, { authorization }) => ({ status: 200, body: authorization.list }),
});
