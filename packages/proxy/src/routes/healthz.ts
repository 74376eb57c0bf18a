// SPDX-License-Identifier: Apache-2.0
import { defineRoute } from '../router.ts';

/** Whether this proxy can serve: 200 `{status:"ok"}`, or 503 `{status:"unconfigured"}` until it has its keys. */
export const healthz = defineRoute({
  method: 'GET',
  path: '/healthz',
  service: 'proxy',
  summary: 'Says whether the proxy has its keys',
  unconfigured: true,
  handle: (_call, { store }) =>
    store.header === undefined ? { status: 503, body: { status: 'unconfigured' } } : { status: 200, body: { status: 'ok' } },
});
