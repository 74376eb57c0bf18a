// SPDX-License-Identifier: Apache-2.0
import type { Attack } from './attack.ts';

/** Attacks on terminals: the payload's own parent's and everybody else's. */
export const TERMINAL_ATTACKS: readonly Attack[] = [
  {
    name: 'type_into_terminals',
    test: 8,
    title: 'Type into every terminal within reach by TIOCSTI and TIOCLINUX, also with high bits in the request (CVE-2019-7303)',
    guard: 'seccomp compares the low half of the request',
    control: 'a filter that allows every call',
    python: String.raw`
def typed(descriptor, request):
    return call('ioctl', descriptor, request, b'x\x00')
def on_own_terminal(request):
    os.setsid()
    master, slave = os.openpty()
    fcntl.ioctl(slave, 0x540e, 0)
    return typed(slave, request)
tries = []
for request in (0x5412, 0x541c):
    for high in (0, 1, 0x7fffffff, 0xffffffff):
        word = high << 32 | request
        tries.append(('own terminal %x' % word, lambda word=word: on_own_terminal(word)))
        tries.append(('/dev/tty %x' % word, lambda word=word: typed(os.open('/dev/tty', os.O_RDWR), word)))
        tries += [('descriptor %d %x' % (number, word), lambda number=number, word=word: typed(number, word)) for number in range(3) if os.isatty(number)]
return attempts(tries)
`,
  },
  {
    name: 'terminals_of_others',
    test: 8,
    title: 'Open somebody else’s terminal: /dev/pts/*, consoles',
    guard: 'a private /dev/pts; no console in /dev',
    control: 'the host’s /dev/pts bound over it',
    python: String.raw`
paths = ['/dev/pts/' + name for name in os.listdir('/dev/pts') if name != 'ptmx'] + ['/dev/tty0', '/dev/tty1', '/dev/ttyS0', '/dev/vcs', '/dev/fb0']
return attempts([(path, lambda path=path: os.close(os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))) for path in paths if os.path.exists(path)])
`,
  },
  {
    name: 'terminal_master',
    test: 5,
    title: 'Find the other end of a terminal among the descriptors',
    guard: 'the starter opens the terminal and closes every descriptor that bwrap is not to have before it starts it',
    control: 'an open /dev/ptmx is left to bwrap',
    python: String.raw`
found = []
for who in ('self', '1'):
    try:
        names = os.listdir('/proc/%s/fd' % who)
    except OSError:
        continue
    for name in names:
        try:
            if 'ptmx' in os.readlink('/proc/%s/fd/%s' % (who, name)):
                found.append(who + ' ' + name)
        except OSError:
            pass
if found:
    return ', '.join(found)
raise Refused('no descriptor is a terminal’s master')
`,
  },
];
