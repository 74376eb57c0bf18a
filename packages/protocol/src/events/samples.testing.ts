// SPDX-License-Identifier: Apache-2.0

const MACHINE = { machine: 'machine/one' };
const AT = 1_700_000_000_000;
const OPERATOR = '@bureau-admin:bureau.test';

/** One small content of each type that is right. */
export const SAMPLES: Readonly<Record<string, object>> = {
  'm.bureau.assignment': { v: 1, principal: 'demo/hello' },
  'm.bureau.credentials': { v: 1, principal: 'demo/hello', bundle: 'aGVsbG8=' },
  'm.bureau.template': { v: 1, description: 'a sandbox' },
  'm.bureau.machine_key': { v: 1, algorithm: 'age-x25519', recipient: 'age1qqqqqqqqqqqqqqqq' },
  'm.bureau.machine_info': {
    v: 1,
    hostname: 'one',
    kernel: '6.18',
    build: 'abc',
    cpu: { model: 'AMD', sockets: 1, cores: 2, threads: 2 },
    memoryBytes: 1,
    swapBytes: 0,
  },
  'm.bureau.machine_status': { v: 2, build: 'abc', startedAt: AT, counts: { running: 1 } },
  'm.bureau.principal_status': { v: 1, principal: 'demo/hello', state: 'running', restarts: 0 },
  'm.bureau.machine_load': {
    v: 1,
    at: AT,
    cpuPercent: 1,
    memoryUsedBytes: 1,
    uptimeSeconds: 1,
    sandboxes: { running: 0, waiting: 0 },
  },
  'm.bureau.machine_config': { v: 1, labels: { gpu: 'mi300' }, cordoned: true },
  'm.bureau.machine_provision': { v: 1, ...MACHINE, user: '@machine/one:bureau.test', at: AT, by: OPERATOR },
  'm.bureau.machine_revocation': { v: 1, ...MACHINE, at: AT, by: OPERATOR, reason: 'stolen', principals: ['demo/hello'] },
  'm.bureau.authorization': { v: 1, grants: [], denials: [] },
  'm.bureau.temporal_grant': { v: 1, principal: 'demo/hello', grant: { actions: ['matrix/join'] }, expiresAt: AT, reason: 'a ticket' },
  'm.bureau.audit': { v: 1, at: AT, who: OPERATOR, what: 'command agent.restart', result: 'ok' },
  'm.bureau.service': { v: 1, ...MACHINE, endpoints: { main: 'service.sock' } },
  'm.bureau.service_binding': { v: 1, principal: 'demo/hello' },
  'm.bureau.layout': { v: 1, windows: [{ name: 'all', panes: [{ observe: 'demo/hello' }] }] },
  'm.room.message, msgtype m.bureau.command': {
    msgtype: 'm.bureau.command',
    body: 'plan',
    v: 1,
    command: 'machine.plan',
    machine: '@machine/one:bureau.test',
    request: 'abcdefgh',
  },
  'm.room.message, msgtype m.bureau.command_result': {
    msgtype: 'm.bureau.command_result',
    body: 'nothing to do',
    v: 1,
    request: 'abcdefgh',
    status: 'success',
    milliseconds: 1,
  },
  'm.room.message, msgtype m.bureau.notification': { msgtype: 'm.bureau.notification', body: 'x', v: 1, event: 'recovered' },
};
