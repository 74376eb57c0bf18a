// SPDX-License-Identifier: Apache-2.0
import koffi from 'koffi';

/** The C functions behind this package; every one returns -1 and sets errno on failure. */
export interface Libc {
  readonly syscall: (number: number, a: number, b: number, c: number, d: number) => number;
  readonly getsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array) => number;
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly bind: (fd: number, address: Uint8Array, length: number) => number;
  readonly listen: (fd: number, backlog: number) => number;
  readonly prctl: (option: number, a: number, b: number, c: number, d: number) => number;
  readonly prlimit64: (pid: number, resource: number, limit: Uint8Array | null, old: Uint8Array | null) => number;
  readonly mlock: (address: Uint8Array, length: number) => number;
  readonly flock: (fd: number, operation: number) => number;
  readonly openat2: (number: number, directory: number, path: string, how: Uint8Array, size: number) => number;
  readonly poll: (descriptors: Uint8Array, count: number, milliseconds: number) => number;
  readonly waitpid: (pid: number, status: Uint8Array | null, options: number) => number;
  readonly pipe2: (descriptors: Uint8Array, flags: number) => number;
  readonly socketpair: (domain: number, type: number, protocol: number, descriptors: Uint8Array) => number;
  readonly setWindowSize: (fd: number, request: number, size: Uint8Array) => number;
  readonly sendmsg: (fd: number, message: Uint8Array, flags: number) => number;
  readonly recvmsg: (fd: number, message: Uint8Array, flags: number) => number;
  readonly capabilities: (number: number, header: Uint8Array, data: Uint8Array) => number;
  readonly dup3: (from: number, to: number, flags: number) => number;
}

type Binding = (...args: never[]) => number;

/** C declarations. The variadic ones are declared with fixed arguments: the same registers on x86_64 and arm64 Linux. */
const DECLARATIONS: Readonly<Record<keyof Libc, string>> = {
  syscall: 'long syscall(long number, long a, long b, long c, long d)',
  getsockopt: 'int getsockopt(int fd, int level, int name, void *value, void *length)',
  socket: 'int socket(int domain, int type, int protocol)',
  bind: 'int bind(int fd, void *address, uint length)',
  listen: 'int listen(int fd, int backlog)',
  prctl: 'int prctl(int option, ulong a, ulong b, ulong c, ulong d)',
  prlimit64: 'int prlimit64(int pid, int resource, void *limit, void *old)',
  mlock: 'int mlock(void *address, size_t length)',
  flock: 'int flock(int fd, int operation)',
  openat2: 'long syscall(long number, long directory, str path, void *how, size_t size)',
  poll: 'int poll(void *descriptors, ulong count, int milliseconds)',
  waitpid: 'int waitpid(int pid, void *status, int options)',
  pipe2: 'int pipe2(void *descriptors, int flags)',
  socketpair: 'int socketpair(int domain, int type, int protocol, void *descriptors)',
  setWindowSize: 'int ioctl(int fd, ulong request, void *size)',
  sendmsg: 'long sendmsg(int fd, void *message, int flags)',
  recvmsg: 'long recvmsg(int fd, void *message, int flags)',
  capabilities: 'long syscall(long number, void *header, void *data)',
  dup3: 'int dup3(int from, int to, int flags)',
};

/** Binds each function when it is first used: a process that needs one call does not pay for all. */
function createLibc(): Libc {
  const library = koffi.load('libc.so.6');
  const bound = new Map<string, Binding>();
  const bind = (name: keyof Libc): Binding => {
    const known = bound.get(name);
    if (known !== undefined) return known;
    const made = library.func(DECLARATIONS[name]) as Binding;
    bound.set(name, made);
    return made;
  };
  const properties = Object.keys(DECLARATIONS).map((name) => [name, { get: () => bind(name as keyof Libc), enumerable: true }] as const);
  return Object.freeze(Object.defineProperties({}, Object.fromEntries(properties))) as Libc;
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** The C library of this process, loaded at the first call. */
export const libc: () => Libc = once(createLibc);
