// SPDX-License-Identifier: Apache-2.0

/** Where the payload's files live for good; writable, the principal's own. */
export const WORKSPACE = '/workspace';
/** The payload's home; a memory file system of one run. */
export const HOME = '/home/agent';
/** The proxy's directory; a directory and not the socket, so that a restarted proxy is reachable again. */
export const AGENT_DIRECTORY = '/run/bureau';
/** The one socket that an agent needs. */
export const PROXY_SOCKET = '/run/bureau/proxy.sock';
/** The name under which documentation calls it: a link to `PROXY_SOCKET`. */
export const PROXY_LINK = '/proxy.sock';
/**
 * Programs of ours that every sandbox has, last on the usual PATH; not below `/usr`, which may be another root's. bureau-bridge: loopback TCP
 * to the proxy's socket, for clients that speak nothing else. bureau-proxy-call: one call to the proxy, where there is no curl.
 */
export const TOOLS_DIRECTORY = '/run/bureau-bin';
/** Becomes the payload's command. */
export const EXEC_PROGRAM = '/run/bureau-bin/bureau-exec';
/** Room beside the workspace, when the spec asks for it. */
export const SCRATCH_DIRECTORY = '/scratch';
/** Inside `/etc`: the copy of the host's tables and certificates that links in `/etc` lead to. */
export const HOST_ETC_MOUNT = '/etc/.host';
/** The name of the payload's user and group inside. */
export const USER = 'agent';
/** Where commands are looked for unless the spec says otherwise. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/bureau-bin';

/** Memory file systems that every sandbox has, with their modes; each as large as the spec's `scratchSize`. */
export const SCRATCH: readonly { readonly path: string; readonly mode: string }[] = [
  { path: '/dev/shm', mode: '1777' },
  { path: '/tmp', mode: '1777' },
  { path: HOME, mode: '0700' },
];

/** Files of `/etc` that Bureau writes for each principal (`root-files.ts`). */
export const GENERATED_ETC: readonly string[] = ['passwd', 'group', 'hosts', 'hostname', 'nsswitch.conf', 'resolv.conf', 'host.conf'];

/** What a payload sees of the host's `/etc`, where it exists: tables and public certificates, nothing that is a secret. */
export const HOST_ETC: readonly string[] = [
  'OpenCL/vendors',
  'alternatives',
  'ca-certificates',
  'ca-certificates.conf',
  'ld.so.cache',
  'localtime',
  'magic',
  'magic.mime',
  'mime.types',
  'protocols',
  'services',
  'ssl/certs',
  'ssl/openssl.cnf',
  'timezone',
  'vulkan',
];

/** Parts of `/proc` through which a kernel is steered: read-only. */
export const READ_ONLY_PROC: readonly string[] = ['sys', 'sysrq-trigger', 'irq', 'bus', 'fs'];

/** Parts of `/proc` that tell about the host or its kernel: empty. */
export const MASKED_PROC: readonly string[] = [
  'acpi',
  'asound',
  'bootconfig',
  'cmdline',
  'iomem',
  'ioports',
  'kallsyms',
  'kcore',
  'key-users',
  'keys',
  'kmsg',
  'latency_stats',
  'mtrr',
  'sched_debug',
  'scsi',
  'slabinfo',
  'timer_list',
  'timer_stats',
  'vmallocinfo',
];

/** Destinations of the sandbox that Bureau makes itself. No mount of a spec may be, hold or lie below one of them. */
export const FIXED_DESTINATIONS: readonly string[] = [
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/proc',
  '/sys',
  '/dev',
  '/boot',
  '/newroot',
  '/oldroot',
  '/tmp',
  HOME,
  WORKSPACE,
  AGENT_DIRECTORY,
  TOOLS_DIRECTORY,
  PROXY_LINK,
  SCRATCH_DIRECTORY,
  HOST_ETC_MOUNT,
  '/etc/mtab',
  '/etc/os-release',
  '/etc/ld.so.preload',
  ...GENERATED_ETC.map((name) => `/etc/${name}`),
  ...HOST_ETC.map((name) => `/etc/${name}`),
];
