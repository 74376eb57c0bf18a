// SPDX-License-Identifier: Apache-2.0
import type { Attack } from './attack.ts';

/** Attacks over the network and sockets. */
export const NETWORK_ATTACKS: readonly Attack[] = [
  {
    name: 'host_network',
    test: 11,
    title: 'Connect to the host’s loopback, its addresses, the cloud’s metadata service',
    guard: 'a network namespace of its own, with nothing in it but lo; behind it the launcher’s, which is empty too',
    control: 'no --unshare-net, in the host’s network',
    python: String.raw`
def connect(family, address):
    with socket.socket(family) as tried:
        tried.settimeout(2)
        tried.connect(address)
    return 'connected'
port = FACTS['tcpPort']
tries = [('127.0.0.1', lambda: connect(socket.AF_INET, ('127.0.0.1', port))), ('::1', lambda: connect(socket.AF_INET6, ('::1', port)))]
tries += [(address, lambda address=address: connect(socket.AF_INET6 if ':' in address else socket.AF_INET, (address, port))) for address in FACTS['addresses']]
tries += [(address, lambda address=address: connect(socket.AF_INET, (address, 80))) for address in ('169.254.169.254', '192.0.2.1')]
return attempts(tries)
`,
  },
  {
    name: 'interfaces',
    test: 11,
    title: 'See or make a network interface',
    guard: 'a network namespace of its own; behind it the launcher’s, which is empty too',
    control: 'no --unshare-net, in the host’s network',
    python: String.raw`
names = [name for _, name in socket.if_nameindex() if name != 'lo']
if names:
    return ', '.join(names)
raise Refused('only lo')
`,
  },
  {
    name: 'abstract_sockets',
    test: 11,
    title: 'Connect to an abstract Unix socket of the host',
    guard: 'a network namespace of its own (abstract names belong to it); behind it the launcher’s, which is empty too',
    control: 'no --unshare-net, in the host’s network',
    python: String.raw`
with socket.socket(socket.AF_UNIX) as tried:
    tried.settimeout(2)
    tried.connect('\0' + FACTS['abstractSocket'])
return 'connected'
`,
  },
  {
    name: 'socket_families',
    test: 11,
    title: 'Make sockets of other families: packet, vsock, crypto, generic and audit netlink, also with high bits',
    guard: 'seccomp',
    control: 'a filter that allows every call',
    python: String.raw`
high = 7 << 32
return attempts([(name, lambda words=words: call('socket', *words)) for name, words in [
    ('packet', (17, 3, 0)), ('packet, high bits', (high | 17, 3, 0)), ('vsock', (40, 1, 0)), ('crypto', (38, 5, 0)), ('bluetooth', (31, 3, 0)),
    ('tipc', (30, 5, 0)), ('xdp', (44, 3, 0)), ('generic netlink', (16, 3, 16)), ('generic netlink, high bits', (high | 16, 3, high | 16)), ('audit', (16, 3, 9))]])
`,
  },
  {
    name: 'name_service',
    test: 12,
    title: 'Resolve a name, ask a name server of the world or of the host, shout into the local network',
    guard: 'a network namespace of its own; behind it the launcher’s, which is empty too; an empty resolv.conf',
    control: 'no --unshare-net, in the host’s network',
    python: String.raw`
def ask(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tried:
        tried.settimeout(1)
        tried.sendto(b'who is there?', address)
        return tried.recv(100)
def shout():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tried:
        return tried.sendto(b'who is there?', ('224.0.0.251', 5353))
return attempts([('host', lambda: ask(('127.0.0.1', FACTS['udpPort']))), ('world', lambda: ask(('192.0.2.53', 53))), ('multicast', shout),
    ('getaddrinfo', lambda: socket.getaddrinfo('bureau-escape.example.com', 80))])
`,
  },
];
