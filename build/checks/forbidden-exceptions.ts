// SPDX-License-Identifier: Apache-2.0

/** Files that may use the machine's clock themselves, with the reason. Everything else is given a `Clock`. */
export const CLOCK_EXCEPTIONS: ReadonlyMap<string, string> = new Map([
  ['packages/process/src/system-clock.ts', 'is the clock that all others are given'],
  ['packages/process/src/child.ts', "keeps the process alive while a child is stopped, which the clock's timers do not"],
  ['packages/instance/src/allocate.ts', 'waits for a lock synchronously; a deadline in a call that never returns to the event loop'],
  ['packages/log/src/logger.ts', 'the times of records, when its caller has no clock'],
  ['apps/cli/src/main.ts', "keeps the command line alive, which the clock's timers do not"],
  ['apps/stand/src/main.ts', 'gathers SIGCHLD before it looks for orphans, outside the service manager'],
  ['packages/proxy-client/src/proxy-client.ts', 'for programs of agents, which have no clock of ours: it depends on nothing'],
  ['apps/demo-agent/src/main.ts', 'a program for agents, not of Bureau: it depends on nothing of ours'],
  ['apps/demo-agent/src/call-proxy.ts', 'a program for agents, not of Bureau: it depends on nothing of ours'],
]);
