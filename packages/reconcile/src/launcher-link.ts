// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError, type Clock, type PrincipalName, type Timer } from '@bureau/core';
import type { IpcClient } from '@bureau/ipc';
import type { Logger } from '@bureau/log';
import type { ResourceFinding, SandboxInfo, launcherContract } from '@bureau/protocol';
import { LAUNCHER_RETRY_MILLISECONDS } from './limits.ts';

/** One open connection to a launcher: what the daemon uses of an `IpcClient`. */
export type LauncherConnection = Pick<IpcClient<typeof launcherContract>, 'call' | 'stream' | 'close' | typeof Symbol.dispose>;

export interface LauncherLinkDeps {
  /** Opens a connection; rejects when the launcher is not there. */
  readonly connect: () => Promise<LauncherConnection>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** After each change of what is observed, and when the launcher comes or goes. */
  readonly onChange: () => void;
}

/** The daemon's connection to the launcher: keeps a picture of all sandboxes by watching, connects again when the launcher was away. */
export class LauncherLink {
  readonly #deps: LauncherLinkDeps;
  readonly #observed = new Map<PrincipalName, SandboxInfo>();
  #client: LauncherConnection | undefined;
  #timer: Timer | undefined;
  #resources: readonly ResourceFinding[] = [];
  #closed = false;

  constructor(deps: LauncherLinkDeps) {
    this.#deps = deps;
  }

  /** All sandboxes as the launcher told them; `undefined` while it is away, since then nothing is known. */
  get observed(): readonly SandboxInfo[] | undefined {
    return this.#client === undefined ? undefined : [...this.#observed.values()];
  }

  /** What the machine holds sandboxes to; empty while the launcher is away. */
  get resources(): readonly ResourceFinding[] {
    return this.#client === undefined ? [] : this.#resources;
  }

  /** The live client. Throws `launcher_away`. */
  get client(): LauncherConnection {
    if (this.#client === undefined)
      throw new BureauError(
        'launcher_away',
        'The launcher is not there right now; the service manager starts it again, try again in a moment',
      );
    return this.#client;
  }

  /** Begins to connect; never gives up. */
  start(): void {
    void this.#follow();
  }

  /** Drops what was forgotten from the picture: the launcher does not tell it. */
  drop(principal: PrincipalName): void {
    this.#observed.delete(principal);
  }

  /** Takes an answer into the picture before the watch has told it, so that no plan is made without it. What the watch told stands. */
  note(info: SandboxInfo): void {
    if (this.#observed.get(info.principal)?.id !== info.id) this.#observed.set(info.principal, info);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.clear();
    this.#client?.close();
  }

  async #follow(): Promise<void> {
    const { connect, clock, logger, onChange } = this.#deps;
    try {
      using client = await connect();
      if (this.#closed) return;
      const { sandboxes } = await client.call('list', {});
      this.#resources = (await client.call('status', {})).resources;
      this.#observed.clear();
      for (const info of sandboxes) this.#observed.set(info.principal, info);
      this.#client = client;
      onChange();
      for await (const info of client.stream('watch', {})) {
        this.#observed.set(info.principal, info);
        onChange();
      }
    } catch (error) {
      if (!this.#closed && this.#client !== undefined) logger.warn({ error: describeError(error) }, 'launcher is away');
    }
    const wasThere = this.#client !== undefined;
    this.#client = undefined;
    if (this.#closed) return;
    if (wasThere) onChange();
    this.#timer = clock.setTimer(LAUNCHER_RETRY_MILLISECONDS, () => void this.#follow());
  }
}
