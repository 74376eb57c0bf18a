// SPDX-License-Identifier: Apache-2.0
import type { Attack } from './attack.ts';

/** Attacks on processes, and on what this one is. */
export const PROCESS_ATTACKS: readonly Attack[] = [
  {
    name: 'capabilities',
    test: 2,
    title: 'Have a capability, or a group of the host',
    guard: 'all capability sets empty, groups cleared',
    control: 'bwrap with --cap-add ALL in place of --cap-drop ALL',
    python: String.raw`
fields = dict(line.split(':', 1) for line in read_text('/proc/self/status').split('\n') if ':' in line)
wrong = [name + fields[name] for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb') if int(fields[name], 16) != 0]
wrong += ['Groups' + fields['Groups']] if fields['Groups'].split() not in ([], [str(os.getgid())]) else []
if wrong:
    return ', '.join(wrong)
raise Refused('none')
`,
  },
  {
    name: 'unfiltered',
    test: 2,
    title: 'Be without the filter of system calls or with new privileges, here or in init',
    guard: 'bwrap sets no_new_privs and loads the filter before it starts anything',
    control: 'no seccomp filter',
    python: String.raw`
wrong = []
for who in ('self', '1'):
    fields = dict(line.split(':', 1) for line in read_text('/proc/%s/status' % who).split('\n') if ':' in line)
    wrong += ['%s %s%s' % (who, name, fields[name]) for name, good in (('NoNewPrivs', '1'), ('Seccomp', '2')) if fields[name].strip() != good]
if wrong:
    return ', '.join(wrong)
raise Refused('NoNewPrivs 1, Seccomp 2')
`,
  },
  {
    name: 'host_processes',
    test: 9,
    title: 'See a process of the host, of the relay, of another sandbox',
    guard: 'a pid namespace of its own, with a /proc of its own',
    control: 'no --unshare-pid, the host’s /proc',
    python: String.raw`
marker = ''.join(FACTS['processMarker'])
seen = []
for name in os.listdir('/proc'):
    if name.isdigit():
        try:
            if marker in read_text('/proc/%s/cmdline' % name):
                seen.append(name)
        except OSError:
            pass
if seen:
    return 'pid ' + ', '.join(seen)
raise Refused('not among %d' % len([name for name in os.listdir('/proc') if name.isdigit()]))
`,
  },
  {
    name: 'tracing',
    test: 9,
    title: 'Trace a process or read its memory: ptrace, process_vm_readv, pidfd_getfd, kcmp, on a sibling',
    guard: 'seccomp',
    control: 'a filter that allows every call',
    python: String.raw`
secret = ctypes.create_string_buffer(b'secret')
sibling = os.fork()
if sibling == 0:
    signal.pause()
    os._exit(0)
local = ctypes.create_string_buffer(8)
def iovec(buffer):
    return struct.pack('QQ', ctypes.addressof(buffer), 6)
try:
    return attempts([
        ('attach', lambda: call('ptrace', 16, sibling, 0, 0)), ('seize', lambda: call('ptrace', 0x4206, sibling, 0, 0)), ('traceme', lambda: call('ptrace', 0, 0, 0, 0)),
        ('process_vm_readv', lambda: call('process_vm_readv', sibling, iovec(local), 1, iovec(secret), 1, 0)),
        ('pidfd_getfd', lambda: call('pidfd_getfd', call('pidfd_open', sibling, 0), 1, 0)), ('kcmp', lambda: call('kcmp', os.getpid(), sibling, 2, 0, 0))])
finally:
    os.kill(sibling, signal.SIGKILL)
`,
  },
  {
    name: 'init_memory',
    test: 9,
    title:
      'Find something of the host or of others in the memory, the environment or the descriptors of the sandbox’s init, which it can read',
    guard: 'bwrap knows nothing but its own arguments: an empty environment, no descriptor but its own',
    control: 'a path of another principal in bwrap’s environment',
    python: String.raw`
def memory():
    found = set()
    with open('/proc/1/maps') as maps, open('/proc/1/mem', 'rb') as file:
        for line in maps:
            place, rights = line.split()[:2]
            first, last = (int(word, 16) for word in place.split('-'))
            if 'r' not in rights or 'vvar' in line or 'vsyscall' in line:
                continue
            file.seek(first)
            text = file.read(last - first)
            found |= {marker for marker in FACTS['markers'] if marker.encode() in text}
    if found:
        return ', '.join(found)
    raise Refused('nothing')
def environment():
    text = read_text('/proc/1/environ')
    if text == '':
        raise Refused('empty')
    return text
def descriptors():
    links = [os.readlink('/proc/1/fd/' + name) for name in os.listdir('/proc/1/fd') if int(name) > 2]
    odd = [link for link in links if link not in ('anon_inode:[eventfd]', 'anon_inode:[signalfd]')]
    if odd:
        return ', '.join(odd)
    raise Refused(', '.join(links))
return attempts([('memory', memory), ('descriptors', descriptors), ('environment', environment)])
`,
  },
  {
    name: 'arguments_of_init',
    test: 21,
    title: 'Read paths of the host in the command line or the environment of init',
    guard: 'bwrap gets its arguments through a pipe and an empty environment',
    control: 'arguments on bwrap’s command line',
    python: String.raw`
text = read_text('/proc/1/cmdline') + read_text('/proc/1/environ')
found = [marker for marker in FACTS['markers'] + FACTS['ownPaths'] if marker in text]
if found:
    return ', '.join(found)
raise Refused(text.replace('\0', ' ')[:200])
`,
  },
  {
    name: 'inherited_environment',
    test: 20,
    title: 'Inherit variables of launcher, relay or bwrap: LD_PRELOAD, NODE_OPTIONS, BASH_ENV, anything that looks like a secret',
    guard: 'starter and bwrap get an empty environment; --clearenv',
    control: 'no --clearenv, a secret in bwrap’s environment',
    python: String.raw`
loaders = ('LD_PRELOAD', 'LD_LIBRARY_PATH', 'BASH_ENV', 'ENV', 'NODE_OPTIONS', 'PYTHONPATH', 'PROMPT_COMMAND')
wrong = [name for name in os.environ if name in loaders or any(word in name.upper() for word in ('SECRET', 'TOKEN', 'PASSWORD', 'CREDENTIAL', 'API_KEY'))]
wrong += [name for name, value in os.environ.items() if any(marker in value for marker in FACTS['markers'])]
if wrong:
    return ', '.join(wrong)
raise Refused(' '.join(sorted(os.environ)))
`,
  },
];
