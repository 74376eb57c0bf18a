// SPDX-License-Identifier: Apache-2.0
import type { Attack, AttackFacts, AttackOutcome } from './attack.ts';

/** Longest time for one attack; one that waits for ever is ended and counts as broken. */
const ATTACK_SECONDS = 20;

/** What attacks build on. Only Debian's `/usr/bin/python3` and its standard library: a sandbox may have no compiler. */
const PRELUDE = String.raw`
import base64, ctypes, errno, fcntl, json, os, platform, signal, socket, struct, subprocess, sys, time
# Encoded, so that no command line holds what attacks look for.
FACTS = json.loads(base64.b64decode(sys.argv[1]))
libc = ctypes.CDLL(None, use_errno=True)
CALLS = {
    'x86_64': dict(ioctl=16, socket=41, clone=56, ptrace=101, syslog=103, pivot_root=155, mount=165, umount2=166, reboot=169, init_module=175,
        delete_module=176, unshare=272, kexec_load=246, add_key=248, request_key=249, keyctl=250, perf_event_open=298, name_to_handle_at=303,
        open_by_handle_at=304, setns=308, process_vm_readv=310, kcmp=312, finit_module=313, kexec_file_load=320, bpf=321, userfaultfd=323),
    'aarch64': dict(ioctl=29, socket=198, clone=220, ptrace=117, syslog=116, pivot_root=41, mount=40, umount2=39, reboot=142, init_module=105,
        delete_module=106, unshare=97, kexec_load=104, add_key=217, request_key=218, keyctl=219, perf_event_open=241, name_to_handle_at=264,
        open_by_handle_at=265, setns=268, process_vm_readv=270, kcmp=272, finit_module=273, kexec_file_load=294, bpf=280, userfaultfd=282),
}[platform.machine()]
CALLS.update(io_uring_setup=425, open_tree=428, move_mount=429, fsopen=430, fsmount=432, pidfd_open=434, clone3=435, pidfd_getfd=438)
NEWNS, NEWUTS, NEWUSER, NEWNET = 0x20000, 0x4000000, 0x10000000, 0x40000000
CHILD = 17
kept = []

class Refused(Exception):
    pass

def call(name, *words):
    """A raw system call; bytes and buffers are passed by address."""
    values = []
    for word in words:
        if isinstance(word, bytes):
            word = ctypes.create_string_buffer(word)
        if not isinstance(word, int):
            kept.append(word)
            word = ctypes.addressof(word)
        values.append(ctypes.c_ulong(word & 0xffffffffffffffff))
    result = libc.syscall(CALLS[name], *values)
    if result == -1:
        raise OSError(ctypes.get_errno(), name + ': ' + errno.errorcode.get(ctypes.get_errno(), '?'))
    return result

def in_child(task):
    """The text that a task returns in a process of its own, or OSError or Refused as there."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = ['ok', str(task())]
        except OSError as error:
            said = ['OSError', error.errno, str(error)]
        except Refused as error:
            said = ['Refused', str(error)]
        os.write(send, json.dumps(said).encode())
        os._exit(0)
    os.close(send)
    text = os.read(receive, 65536)
    os.close(receive)
    os.waitpid(child, 0)
    said = json.loads(text) if text else ['Refused', 'killed']
    if said[0] == 'OSError':
        raise OSError(said[1], said[2])
    if said[0] == 'Refused':
        raise Refused(said[1])
    return said[1]

def attempts(tries):
    """Every try by its name: what succeeded; Refused with all the answers when nothing did."""
    got, said = [], []
    for name, task in tries:
        try:
            result = in_child(task)
            got.append(name + ' (' + result[:200] + ')')
        except (OSError, Refused) as error:
            number = getattr(error, 'errno', None)
            said.append(name + ' ' + (errno.errorcode.get(number, str(number)) if number is not None else str(error)))
    if got:
        return ', '.join(got)
    raise Refused(', '.join(said))

def reaches_kernel(name, *words):
    """The call gets past the filter: any answer but EPERM and ENOSYS."""
    try:
        return call(name, *words)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOSYS):
            raise
        return errno.errorcode.get(error.errno, str(error.errno))

def opens_for_writing(path):
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        return 'opened'
    except OSError as error:
        # Allowed, but for it is being run.
        if error.errno == errno.ETXTBSY:
            return 'allowed, but busy'
        raise

def read_text(path):
    with open(path, 'rb') as file:
        return file.read(1 << 20).decode('latin1')

def new_user_namespace(flags):
    """Tries to become root of a new user namespace; goes on without when that is refused."""
    try:
        call('unshare', NEWUSER | flags)
        return True
    except OSError:
        return False
`;

const RUNNER = String.raw`
def judge(attack):
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        global RESULT
        RESULT = send
        signal.alarm(${ATTACK_SECONDS})
        os.setpgid(0, 0)
        try:
            said = ['succeeded', str(attack())]
        except (OSError, Refused) as error:
            said = ['refused', str(error)]
        except BaseException as error:
            said = ['broken', type(error).__name__ + ': ' + str(error)]
        os.write(send, json.dumps([said[0], said[1][:2000]]).encode())
        os._exit(0)
    os.close(send)
    text = b''
    while True:
        piece = os.read(receive, 65536)
        if not piece:
            break
        text += piece
    os.close(receive)
    status = os.waitpid(child, 0)[1]
    try:
        os.killpg(child, signal.SIGKILL)
    except OSError:
        pass
    return json.loads(text) if text else ['broken', 'ended with status %d' % status]
print(json.dumps({attack.__name__: judge(attack) for attack in ATTACKS}))
`;

/** The Python program that makes these attacks and prints what came of them. */
function attackProgram(attacks: readonly Attack[]): string {
  const functions = attacks.map(({ name, python }) => `def ${name}():\n${indented(python)}\n`);
  return `${PRELUDE}\n${functions.join('\n')}\nATTACKS = [${attacks.map(({ name }) => name).join(', ')}]\n${RUNNER}`;
}

/** The command that makes `attacks` inside a sandbox, for `parseOutcomes` to read what it prints. */
export function attackCommand(attacks: readonly Attack[], facts: AttackFacts): string[] {
  return ['/usr/bin/python3', '-I', '-c', attackProgram(attacks), base64Of(JSON.stringify(facts))];
}

/** Reads what `attackCommand` printed. An attack of which it says nothing is `broken`. */
export function parseOutcomes(attacks: readonly Attack[], printed: string): ReadonlyMap<string, AttackOutcome> {
  const said = parsed(printed);
  return new Map(
    attacks.map(({ name }): [string, AttackOutcome] => {
      const entry = said[name];
      const [verdict, detail] = Array.isArray(entry) ? (entry as unknown[]) : [];
      if ((verdict === 'refused' || verdict === 'succeeded' || verdict === 'broken') && typeof detail === 'string')
        return [name, { verdict, detail }];
      return [name, { verdict: 'broken', detail: `the sandbox said nothing of it: ${JSON.stringify(printed.slice(-200))}` }];
    }),
  );
}

function parsed(printed: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(printed.trim().split('\n').at(-1) ?? '');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Layer 0 has no Buffer. */
function base64Of(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

function indented(python: string): string {
  return python
    .replace(/^\n|\s+$/g, '')
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}
