// SPDX-License-Identifier: Apache-2.0
import { defineRoute } from '../router.ts';
import { notConfigured } from '../store.ts';

/** Who the caller is: the hello world of an agent. */
export const identity = defineRoute({
  method: 'GET',
  path: '/v1/identity',
  service: 'proxy',
  summary: 'Says which principal this socket belongs to',
  handle: (_call, { store }) => {
    const header = store.header;
    if (header === undefined) throw notConfigured();
    const server = header.user_id.slice(header.user_id.indexOf(':') + 1);
    return { status: 200, body: { principal: header.principal, user_id: header.user_id, server_name: server, machine: header.machine } };
  },
});
