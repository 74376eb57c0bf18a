// SPDX-License-Identifier: Apache-2.0

/** Options without one guard: the words in this order, wherever they stand. Throws when they are not there (the test would prove nothing). */
export function without(...guard: readonly string[]): (options: string[]) => string[] {
  return (options) => {
    const at = options.findIndex((_, index) => guard.every((word, offset) => options[index + offset] === word));
    if (at < 0) throw new Error(`The options do not hold ${guard.join(' ')}`);
    return options.toSpliced(at, guard.length);
  };
}

/** Several changes after one another. */
export function all(...changes: readonly ((options: string[]) => string[])[]): (options: string[]) => string[] {
  return (options) => changes.reduce((current, change) => change(current), options);
}

/** Puts words before the first occurrence of others. */
export function inserted(words: readonly string[], ...before: readonly string[]): (options: string[]) => string[] {
  return (options) => {
    const at = options.findIndex((_, index) => before.every((word, offset) => options[index + offset] === word));
    if (at < 0) throw new Error(`The options do not hold ${before.join(' ')}`);
    return options.toSpliced(at, 0, ...words);
  };
}

/** Options with other words in place of the first occurrence of some. */
export function replaced(words: readonly string[], by: readonly string[]): (options: string[]) => string[] {
  return (options) => {
    const at = options.findIndex((_, index) => words.every((word, offset) => options[index + offset] === word));
    if (at < 0) throw new Error(`The options do not hold ${words.join(' ')}`);
    return options.toSpliced(at, words.length, ...by);
  };
}

/**
 * A Python program that makes raw system calls and prints one JSON object: name → errno name, or `"ok"`. Each call is made in a
 * child of its own, so that one that succeeds changes nothing for the next.
 */
export function rawCalls(calls: Readonly<Record<string, readonly (number | bigint | string)[]>>): string {
  const rows = Object.entries(calls).map(
    ([name, words]) =>
      `    (${JSON.stringify(name)}, [${words.map((word) => (typeof word === 'string' ? word : String(word))).join(', ')}]),`,
  );
  return `
import ctypes, errno, json, os
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(4096)
pointer = ctypes.addressof(buffer)
text = lambda value: ctypes.addressof(keep(ctypes.create_string_buffer(value.encode())))
kept = []
def keep(value):
    kept.append(value)
    return value
def attempt(words):
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        result = libc.syscall(*[ctypes.c_ulong(word & 0xffffffffffffffff) for word in words])
        os.write(send, (errno.errorcode[ctypes.get_errno()] if result == -1 else 'ok').encode())
        os._exit(0)
    os.close(send)
    said = os.read(receive, 100).decode()
    status = os.waitpid(child, 0)[1]
    os.close(receive)
    return said or 'signal %d' % (status & 0x7f)
print(json.dumps({name: attempt(words) for name, words in [
${rows.join('\n')}
]}))`;
}

/** Prints what `open(path, O_WRONLY)` says for each path, writing nothing. */
export function openForWriting(paths: readonly string[]): string {
  return `
import errno, json, os
def attempt(path):
    try:
        os.close(os.open(path, os.O_WRONLY))
        return 'ok'
    except OSError as error:
        return errno.errorcode[error.errno]
print(json.dumps({path: attempt(path) for path in ${JSON.stringify(paths)}}))`;
}

/** Prints what making a file in each directory says. */
export function createIn(directories: readonly string[]): string {
  return `
import errno, json, os
def attempt(directory):
    try:
        path = directory + '/bureau-wall-test'
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.unlink(path)
        return 'ok'
    except OSError as error:
        return errno.errorcode[error.errno]
print(json.dumps({path: attempt(path) for path in ${JSON.stringify(directories)}}))`;
}

/** Types into its own terminal, with plain and with high request bits. */
export const TYPE_INTO_TERMINAL = `
import ctypes, errno, fcntl, json, os, pty, termios
libc = ctypes.CDLL(None, use_errno=True)
number = {'x86_64': 16, 'aarch64': 29}[os.uname().machine]
os.setsid()
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
character = ctypes.create_string_buffer(b'x')
def attempt(request):
    result = libc.syscall(number, slave, ctypes.c_ulong(request), ctypes.byref(character))
    return errno.errorcode[ctypes.get_errno()] if result == -1 else 'ok'
print(json.dumps({hex(request): attempt(request) for request in (0x5412, 0x100005412, 0xffffffff00005412)}))`;
