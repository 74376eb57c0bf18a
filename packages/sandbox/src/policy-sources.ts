// SPDX-License-Identifier: Apache-2.0
import { isWithin } from './mount-destinations.ts';

/** Trees of the host that no policy can open: neither themselves, nor what lies below, nor their parents. */
const FORBIDDEN: readonly string[] = [
  '/etc',
  '/root',
  '/proc',
  '/sys',
  '/dev',
  '/boot',
  '/run',
  '/var/run',
  '/var/log',
  '/var/spool',
  '/var/lib/docker',
  '/var/lib/containerd',
  '/var/lib/containers',
  '/var/lib/systemd',
  '/var/lib/private',
  '/var/lib/dbus',
  '/var/lib/incus',
  '/var/lib/kubelet',
  '/var/lib/libvirt',
  '/var/lib/lxc',
  '/var/lib/lxd',
  '/var/lib/machines',
  '/var/lib/rancher',
  '/lost+found',
];

/** Ours, of every instance (`/var/lib/bureau`, `/var/lib/bureau-NAME`): other principals' files and our own state. */
const OWN = /^\/(var\/lib|var\/log|etc|run)\/bureau(-[^/]*)?(\/|$)/;

/** What the host runs; a sandbox that could write it would be root at the next occasion. */
const NEVER_WRITABLE: readonly string[] = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

/** Why `source` can never be bound in this mode, or `undefined`. Pure: looks at the text only. */
export function forbiddenSource(source: string, mode: 'ro' | 'rw'): string | undefined {
  if (OWN.test(source)) return 'it belongs to Bureau itself';
  for (const path of FORBIDDEN) {
    if (isWithin(source, path)) return `${path} is the host's own`;
    if (isWithin(path, source)) return `it holds ${path}, which is the host's own`;
  }
  if (mode === 'rw') {
    for (const path of NEVER_WRITABLE) {
      if (isWithin(source, path) || isWithin(path, source)) return `${path} is never writable for a sandbox`;
    }
  }
  return forbiddenHome(source);
}

/** A project in a person's home may be bound, the home itself and its hidden directories (keys, settings) may not. */
function forbiddenHome(source: string): string | undefined {
  if (!isWithin(source, '/home')) return undefined;
  const [, , person, first] = source.split('/');
  if (person === undefined) return '/home holds every person’s files';
  if (first === undefined) return 'it is the whole home directory of a person';
  return first.startsWith('.') ? 'hidden directories of a home hold keys and settings' : undefined;
}
