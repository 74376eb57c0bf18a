// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { hasCode, type PrincipalName } from '@bureau/core';
import type { CallInput } from '@bureau/ipc';
import type { SandboxInfo, launcherContract } from '@bureau/protocol';
import type { LauncherConnection } from '@bureau/reconcile';

/** A launcher, real or not, as its behaviours are tried. */
export interface LauncherUnderTest {
  /** Another connection. */
  connect(): Promise<LauncherConnection>;
  /** Kills it (-9). Connections are lost. */
  kill(): Promise<void>;
  /** Starts another one. */
  start(): Promise<void>;
  /** A bundle for a principal; a higher issue is a newer one. */
  bundle(principal: PrincipalName, issue: number, life?: 'good' | 'expired'): Promise<Uint8Array>;
  /** A command that runs until it is ended, and one that ends by itself, soon, with code 3. */
  readonly commands: { readonly serves: readonly string[]; readonly ends: readonly string[] };
  /** Payloads of a principal that run. */
  running(principal: PrincipalName): number;
  /** Resolves when `holds` does; rejects when that takes too long. */
  until(holds: () => boolean | Promise<boolean>): Promise<void>;
}

/** One thing that a daemon relies on, tried with a principal of its own; leaves nothing behind. */
export interface LauncherBehaviour {
  readonly what: string;
  readonly run: (launcher: LauncherUnderTest, principal: PrincipalName) => Promise<void>;
}

type Create = CallInput<typeof launcherContract, 'create'>;
const GRACE = 2_000;
const COMMAND_ENDS = 3;

async function createInput(launcher: LauncherUnderTest, principal: PrincipalName, id: string, more: Partial<Create> = {}): Promise<Create> {
  const spec = { v: 1 as const, command: [...launcher.commands.serves] };
  return { principal, id, spec, bundle: await launcher.bundle(principal, 1), ...more };
}

async function infoOf(connection: LauncherConnection, principal: PrincipalName): Promise<SandboxInfo | undefined> {
  const { sandboxes } = await connection.call('list', {});
  return sandboxes.find((info) => info.principal === principal);
}

function reaches(launcher: LauncherUnderTest, connection: LauncherConnection, principal: PrincipalName, state: string): Promise<void> {
  return launcher.until(async () => (await infoOf(connection, principal))?.state === state);
}

async function end(connection: LauncherConnection, principal: PrincipalName, id: string): Promise<void> {
  await connection.call('destroy', { principal, id, graceMilliseconds: GRACE });
  await connection.call('forget', { principal, id });
}

const code = (expected: string) => (error: unknown) => hasCode(error, expected);

/** What the daemon relies on. The fake launcher and the real one are held to it by the same table. */
export const LAUNCHER_BEHAVIOURS: readonly LauncherBehaviour[] = [
  {
    what: 'makes nothing without a bundle for a principal that it does not know',
    run: async (launcher, principal) => {
      using daemon = await launcher.connect();
      const { bundle: _bundle, ...input } = await createInput(launcher, principal, 'a-0');
      await assert.rejects(daemon.call('create', input), code('no_credentials'));
      await assert.rejects(daemon.call('authorize', { principal, authorization: { grants: [], denials: [] } }), code('not_found'));
      assert.equal(await infoOf(daemon, principal), undefined);
    },
  },
  {
    what: 'refuses bundles of others, expired ones, and older ones than it has accepted',
    run: async (launcher, principal) => {
      using daemon = await launcher.connect();
      const input = await createInput(launcher, principal, 'a-0');
      const stranger = await launcher.bundle(`${principal}-stranger` as PrincipalName, 1);
      await assert.rejects(daemon.call('create', { ...input, bundle: stranger }), code('bundle_principal'));
      await assert.rejects(
        daemon.call('create', { ...input, bundle: await launcher.bundle(principal, 1, 'expired') }),
        code('bundle_expired'),
      );
      assert.equal(launcher.running(principal), 0);
      await daemon.call('create', { ...input, bundle: await launcher.bundle(principal, 2) });
      await assert.rejects(daemon.call('rotate', { principal, bundle: await launcher.bundle(principal, 1) }), code('bundle_replayed'));
      await assert.rejects(daemon.call('rotate', { principal, bundle: stranger }), code('bundle_principal'));
      await daemon.call('rotate', { principal, bundle: await launcher.bundle(principal, 3) });
      await end(daemon, principal, 'a-0');
    },
  },
  {
    what: 'makes one sandbox of one id, however often it is asked for, and none of another id meanwhile',
    run: async (launcher, principal) => {
      using daemon = await launcher.connect();
      const input = await createInput(launcher, principal, 'a-0');
      const [one, two] = await Promise.all([daemon.call('create', input), daemon.call('create', input)]);
      assert.deepEqual([one.id, two.id], ['a-0', 'a-0']);
      await reaches(launcher, daemon, principal, 'running');
      assert.equal((await daemon.call('create', input)).startedAt, one.startedAt);
      await assert.rejects(daemon.call('create', { ...input, id: 'b-0' }), code('principal_busy'));
      await launcher.until(() => launcher.running(principal) === 1);
      await end(daemon, principal, 'a-0');
      assert.equal(launcher.running(principal), 0);
    },
  },
  {
    what: 'tells one that lives what is newer in a create that is asked for once more',
    run: async (launcher, principal) => {
      using daemon = await launcher.connect();
      const input = await createInput(launcher, principal, 'a-0');
      await daemon.call('create', input);
      await daemon.call('create', { ...input, bundle: await launcher.bundle(principal, 2) });
      await assert.rejects(daemon.call('rotate', { principal, bundle: await launcher.bundle(principal, 1) }), code('bundle_replayed'));
      await end(daemon, principal, 'a-0');
    },
  },
  {
    what: 'keeps what has ended, with its report, until it is forgotten',
    run: async (launcher, principal) => {
      using daemon = await launcher.connect();
      const spec = { v: 1 as const, command: [...launcher.commands.ends] };
      await daemon.call('create', await createInput(launcher, principal, 'a-0', { spec }));
      const report = await daemon.call('wait', { principal, id: 'a-0' });
      assert.deepEqual([report.code, report.signal], [COMMAND_ENDS, null]);
      await reaches(launcher, daemon, principal, 'exited');
      assert.deepEqual((await infoOf(daemon, principal))?.exit, report);
      assert.deepEqual(await daemon.call('destroy', { principal, id: 'a-0', graceMilliseconds: GRACE }), report);
      await assert.rejects(daemon.call('updatePayload', { principal, id: 'a-0', payload: {} }), code('not_running'));
      await daemon.call('forget', { principal, id: 'a-0' });
      assert.equal(await infoOf(daemon, principal), undefined);
      for (const method of ['forget', 'wait', 'updatePayload'] as const)
        await assert.rejects(daemon.call(method, { principal, id: 'a-0' }), code('not_found'));
      await assert.rejects(daemon.call('destroy', { principal, id: 'a-0', graceMilliseconds: 0 }), code('not_found'));
    },
  },
  {
    what: 'ends what it is told to end, once, and does not forget what lives',
    run: async (launcher, principal) => {
      using daemon = await launcher.connect();
      await daemon.call('create', await createInput(launcher, principal, 'a-0'));
      await reaches(launcher, daemon, principal, 'running');
      await assert.rejects(daemon.call('forget', { principal, id: 'a-0' }), code('principal_busy'));
      const destroy = { principal, id: 'a-0', graceMilliseconds: GRACE };
      const [one, two] = await Promise.all([daemon.call('destroy', destroy), daemon.call('destroy', destroy)]);
      assert.deepEqual([one, one.reason], [two, 'stopped']);
      assert.equal(launcher.running(principal), 0);
      assert.equal((await infoOf(daemon, principal))?.state, 'exited');
      await daemon.call('create', await createInput(launcher, principal, 'b-0'));
      assert.equal((await infoOf(daemon, principal))?.id, 'b-0');
      await end(daemon, principal, 'b-0');
    },
  },
  {
    what: 'tells a watcher first what is there, then each end',
    run: async (launcher, principal) => {
      using daemon = await launcher.connect();
      await daemon.call('create', await createInput(launcher, principal, 'a-0'));
      using watcher = await launcher.connect();
      const seen: string[] = [];
      const watching = (async () => {
        for await (const info of watcher.stream('watch', {})) {
          if (info.principal !== principal) continue;
          seen.push(info.state);
          if (info.state === 'exited') return;
        }
      })();
      await launcher.until(() => seen.length > 0);
      await daemon.call('destroy', { principal, id: 'a-0', graceMilliseconds: GRACE });
      await watching;
      assert.match(seen[0] ?? '', /creating|running/);
      await daemon.call('forget', { principal, id: 'a-0' });
    },
  },
  {
    what: 'makes what was asked for although the one who asked has gone, and what it asks again is the same',
    run: async (launcher, principal) => {
      const input = await createInput(launcher, principal, 'a-0');
      const gone = await launcher.connect();
      const asked = gone.call('create', input).then(
        () => 'answered',
        (error: unknown) => (code('connection_lost')(error) ? 'lost' : String(error)),
      );
      using daemon = await launcher.connect();
      // On the same connection: when this is answered the create has been read.
      await gone.call('status', {});
      gone.close();
      assert.match(await asked, /^(answered|lost)$/);
      assert.equal((await daemon.call('create', input)).id, 'a-0');
      await reaches(launcher, daemon, principal, 'running');
      await launcher.until(() => launcher.running(principal) === 1);
      await end(daemon, principal, 'a-0');
    },
  },
  {
    what: 'leaves nothing of a create that is taken back, or all of it when that came too late',
    run: async (launcher, principal) => {
      using daemon = await launcher.connect();
      const cancel = new AbortController();
      const asked = daemon.call('create', await createInput(launcher, principal, 'a-0'), { signal: cancel.signal });
      cancel.abort();
      await assert.rejects(asked, code('cancelled'));
      await launcher.until(async () => {
        const info = await infoOf(daemon, principal);
        if (info?.state === 'running') await end(daemon, principal, 'a-0');
        return info === undefined && launcher.running(principal) === 0;
      });
      await daemon.call('create', await createInput(launcher, principal, 'b-0'));
      await end(daemon, principal, 'b-0');
    },
  },
  {
    what: 'judges a spec and a bundle without making anything of them',
    run: async (launcher, principal) => {
      using daemon = await launcher.connect();
      const input = await createInput(launcher, principal, 'a-0');
      const { spec } = input;
      await assert.rejects(daemon.call('check', { principal, spec }), code('not_found'));
      await daemon.call('create', input);
      assert.deepEqual(await daemon.call('check', { principal, spec, bundle: await launcher.bundle(principal, 2) }), {});
      await daemon.call('rotate', { principal, bundle: await launcher.bundle(principal, 1) });
      await end(daemon, principal, 'a-0');
    },
  },
  {
    what: 'finds again what ran and what had ended when it was killed',
    run: async (launcher, principal) => {
      const daemon = await launcher.connect();
      await daemon.call('create', await createInput(launcher, principal, 'a-0'));
      await reaches(launcher, daemon, principal, 'running');
      await launcher.kill();
      await assert.rejects(daemon.call('list', {}), code('connection_lost'));
      await launcher.until(() => launcher.running(principal) === 1);
      await launcher.start();
      using next = await launcher.connect();
      await reaches(launcher, next, principal, 'running');
      assert.equal((await next.call('create', await createInput(launcher, principal, 'a-0'))).id, 'a-0');
      await launcher.until(() => launcher.running(principal) === 1);
      const { reason } = await next.call('destroy', { principal, id: 'a-0', graceMilliseconds: GRACE });
      assert.equal(reason, 'stopped');
      await launcher.kill();
      await launcher.start();
      using last = await launcher.connect();
      assert.equal((await infoOf(last, principal))?.exit?.reason, 'stopped');
      await last.call('forget', { principal, id: 'a-0' });
    },
  },
  {
    what: 'knows how a payload ended while there was no launcher',
    run: async (launcher, principal) => {
      const daemon = await launcher.connect();
      const spec = { v: 1 as const, command: [...launcher.commands.ends] };
      await daemon.call('create', await createInput(launcher, principal, 'a-0', { spec }));
      await launcher.kill();
      daemon.close();
      await launcher.until(() => launcher.running(principal) === 0);
      await launcher.start();
      using next = await launcher.connect();
      await reaches(launcher, next, principal, 'exited');
      assert.equal((await infoOf(next, principal))?.exit?.code, COMMAND_ENDS);
      await next.call('forget', { principal, id: 'a-0' });
    },
  },
];
