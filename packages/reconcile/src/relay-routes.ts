// SPDX-License-Identifier: Apache-2.0
import { BureauError, type Clock, type PrincipalName } from '@bureau/core';
import { connect, type IpcClient } from '@bureau/ipc';
import { relayContract, type HealthFinding, type HealthProbe, type SandboxInfo } from '@bureau/protocol';
import type { HealthSubject } from './health-monitor.ts';
import { HEALTH_PROBE_MARGIN_MILLISECONDS } from './limits.ts';

export interface RelayRoutesDeps {
  readonly build: string;
  readonly clock: Clock;
  readonly payloadUid: (number: number) => number;
  readonly observed: () => readonly SandboxInfo[] | undefined;
}

type RelayClient = IpcClient<typeof relayContract>;

/**
 * Connections to the relays of live sandboxes: one for each that anybody observes, shared by all observers, since streams on one
 * connection do not slow each other. Gone with its relay.
 */
export class RelayRoutes {
  readonly #deps: RelayRoutesDeps;
  readonly #clients = new Map<string, Promise<RelayClient>>();

  constructor(deps: RelayRoutesDeps) {
    this.#deps = deps;
  }

  /** The relay of this principal's live sandbox. Throws `not_running`. */
  to(principal: PrincipalName): Promise<RelayClient> {
    const info = this.#deps.observed()?.find((each) => each.principal === principal);
    if (info === undefined || info.state === 'exited') {
      throw new BureauError('not_running', `"${principal}" does not run on this machine; see "bureau agent list"`, { data: { principal } });
    }
    const known = this.#clients.get(info.id);
    if (known !== undefined) return known;
    const fresh = this.#connect(info);
    this.#clients.set(info.id, fresh);
    const drop = (): void => void (this.#clients.get(info.id) === fresh && this.#clients.delete(info.id));
    fresh
      .then(
        (client) => client.closed,
        () => undefined,
      )
      .then(drop, drop);
    return fresh;
  }

  /** Asks the agent of a sandbox once how it is, as `HealthMonitorDeps.probe`. */
  async probe({ principal }: HealthSubject, probe: HealthProbe): Promise<HealthFinding> {
    const relay = await this.to(principal);
    return relay.call('probe', probe, { deadlineMilliseconds: probe.milliseconds + HEALTH_PROBE_MARGIN_MILLISECONDS });
  }

  #connect({ relaySocket, number }: SandboxInfo): Promise<RelayClient> {
    const { build, clock, payloadUid } = this.#deps;
    return connect({ path: relaySocket, contract: relayContract, role: 'daemon', build, expectUid: payloadUid(number), clock });
  }
}
