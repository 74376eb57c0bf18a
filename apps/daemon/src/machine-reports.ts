// SPDX-License-Identifier: Apache-2.0
import type { Clock, RoomId } from '@bureau/core';
import type { Logger } from '@bureau/log';
import {
  LoadMeter,
  LoadReporter,
  MachinePresence,
  readHardware,
  type MeteredPrincipal,
  type MachinePresenceDeps,
} from '@bureau/machine-info';
import { MACHINE_INFO, MACHINE_LOAD, type MachineInfoContent } from '@bureau/protocol';
import { StatusReporter } from '@bureau/reconcile';

export interface MachineReportsDeps {
  readonly build: string;
  readonly cgroupName: string;
  readonly configRoom: RoomId;
  readonly clock: Clock;
  readonly logger: Logger;
  /** All sandboxes as they are now. */
  readonly sandboxes: () => readonly MeteredPrincipal[];
  readonly setPresence: MachinePresenceDeps['set'];
  readonly publish: (room: RoomId, type: string, content: Readonly<Record<string, unknown>>) => Promise<void>;
}

/** Says in the config room what the machine is made of (once: the same content again makes no event) and how busy it is, and that in a line as its presence. */
export function startMachineReports(deps: MachineReportsDeps): { stop(): Promise<void> } {
  const { build, configRoom, clock, logger, publish } = deps;
  const info = new StatusReporter<MachineInfoContent>({
    clock,
    logger,
    publish: (content) => publish(configRoom, MACHINE_INFO.type, content),
  });
  info.report({ v: 1, build, ...readHardware() });
  const meter = new LoadMeter({ clock, cgroupName: deps.cgroupName });
  const presence = new MachinePresence({
    clock,
    set: deps.setPresence,
    onFailure: (message) => logger.warn({ error: message }, 'presence was not said; trying again'),
  });
  const load = new LoadReporter({
    clock,
    measure: () => meter.measure(deps.sandboxes()),
    publish: async (content) => {
      await publish(configRoom, MACHINE_LOAD.type, content);
      presence.report(content);
    },
    onFailure: (message) => logger.warn({ error: message }, 'load was not published; the next one is sent when it can be'),
  });
  load.start();
  return {
    async stop() {
      load.stop();
      await presence.leave();
    },
  };
}
