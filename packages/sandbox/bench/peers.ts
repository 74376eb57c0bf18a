// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { timed } from './bwrap-line.ts';

/** Where `--full` installs what is compared with and is no part of the product. */
const CACHE = '/var/cache/bureau-bench';
const SRT = '@anthropic-ai/sandbox-runtime';
const SRT_VERSION = '0.0.83';
const INSTALL_MILLISECONDS = 120_000;

/** A peer that starts one command in a sandbox: milliseconds to its first output, or why it cannot. */
export interface Peer {
  readonly name: string;
  readonly run: (() => Promise<number>) | string;
}

/** What `runc spec` writes, as far as it is changed here. */
interface RuncConfig {
  readonly process: { args: string[]; terminal: boolean };
  mounts: { readonly type: string }[];
}

/** runc and Anthropic's sandbox runtime; `install` allows to fetch the latter from npm. */
export function findPeers(install: boolean): readonly Peer[] {
  return [
    { name: 'runc', run: runc() },
    { name: `srt ${SRT_VERSION}`, run: srt(install) },
  ];
}

function runc(): Peer['run'] {
  const program = ['/usr/bin/runc', '/usr/sbin/runc'].find(existsSync);
  if (program === undefined) return 'not installed: apt-get install runc';
  return async () => {
    const bundle = mkdtempSync('/tmp/bureau-bench-runc-');
    try {
      mkdirSync(join(bundle, 'rootfs'));
      execFileSync(program, ['spec'], { cwd: bundle });
      const file = join(bundle, 'config.json');
      const config = JSON.parse(readFileSync(file, 'utf8')) as RuncConfig;
      config.process.args = ['/bin/echo', 'here'];
      config.process.terminal = false;
      for (const name of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(bundle, 'rootfs', name));
      mkdirSync(join(bundle, 'rootfs/usr'));
      const usr = { destination: '/usr', type: 'bind', source: '/usr', options: ['rbind', 'ro', 'nosuid', 'nodev'] };
      // Its own view of the groups cannot be mounted where v1 controllers are mounted without it; the rest of its defaults stays.
      config.mounts = [...config.mounts.filter(({ type }) => type !== 'cgroup'), usr];
      writeFileSync(file, JSON.stringify(config));
      const { first } = await timed(program, ['run', '--bundle', bundle, `bench-${process.pid}`], new Uint8Array(0), { uid: 0 });
      return first;
    } finally {
      rmSync(bundle, { recursive: true, force: true });
    }
  };
}

function srt(install: boolean): Peer['run'] {
  const program = join(CACHE, 'node_modules/.bin/srt');
  if (!existsSync(program)) {
    if (!install) return `not in ${CACHE}: --full fetches it from npm`;
    try {
      mkdirSync(CACHE, { recursive: true });
      const npm = join(import.meta.dirname, '../../../script/npm');
      execFileSync(npm, ['install', '--prefix', CACHE, '--ignore-scripts', '--no-save', `${SRT}@${SRT_VERSION}`], {
        stdio: 'ignore',
        cwd: CACHE,
        timeout: INSTALL_MILLISECONDS,
      });
    } catch (error) {
      return `npm could not install ${SRT}@${SRT_VERSION}: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`;
    }
  }
  if (!existsSync(program)) return `npm installed ${SRT}@${SRT_VERSION} without the program srt`;
  return async () => {
    // It looks through the directory that it is started in: an empty one is its best case.
    const cwd = mkdtempSync('/tmp/bureau-bench-srt-');
    try {
      return (await timed(process.execPath, [program, '/bin/echo', 'here'], new Uint8Array(0), { uid: 0, cwd })).first;
    } finally {
      rmSync(cwd, { recursive: true, force: true });
    }
  };
}
