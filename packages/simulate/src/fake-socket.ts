// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import type { LauncherConnection } from '@bureau/reconcile';
import { FakeConnection, type FakeConnectionDeps } from './fake-connection.ts';
import type { FakeLauncher } from './fake-launcher.ts';
import type { Life } from './life.ts';

/** The launcher's socket: whoever connects meets the launcher of that moment. */
export class FakeSocket {
  readonly #deps: Omit<FakeConnectionDeps, 'launcher' | 'life'>;
  readonly #connections = new Set<FakeConnection>();
  /** Who listens. */
  launcher: FakeLauncher | undefined;

  constructor(deps: Omit<FakeConnectionDeps, 'launcher' | 'life'>) {
    this.#deps = deps;
  }

  /** As `connect` of `@bureau/ipc`; nothing comes of it once `life` is over. */
  connect(life: Life): Promise<LauncherConnection> {
    const { time, chance } = this.#deps;
    return new Promise((resolve, reject) => {
      time.after(chance.delay(3, 300), () => {
        if (!life.alive) return;
        const { launcher } = this;
        if (launcher?.alive !== true) return reject(new BureauError('connection_refused', 'Nobody listens'));
        const connection = new FakeConnection({ ...this.#deps, launcher, life });
        this.#connections.add(connection);
        resolve(connection);
      });
    });
  }

  /** Every connection is lost. */
  lose(): void {
    for (const connection of this.#connections) connection.close();
    this.#connections.clear();
  }
}
