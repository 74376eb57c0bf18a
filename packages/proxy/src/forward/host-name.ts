// SPDX-License-Identifier: Apache-2.0
import { domainToASCII } from 'node:url';
import { formatIpAddress, parseIpAddress, type IpAddress } from './ip-address.ts';

/** Bytes of a name: DNS takes no more. */
const NAME_MAX = 253;
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** A host in its one spelling. */
export interface Host {
  /** A name in lower case without a last dot, dotted decimal, or IPv6 in brackets. */
  readonly text: string;
  /** Set when the host is an address. */
  readonly address: IpAddress | undefined;
}

/** A host with a port. */
export interface Authority {
  readonly host: Host;
  /** `undefined` when none was written. */
  readonly port: number | undefined;
}

/**
 * The one function that reads host names: the allow-list, the target, the Host header and the TLS server name are all compared in its
 * spelling. It reads as the WHATWG URL parser does (case, `0x7f.1`, `0177.0.0.1`, `2130706433`, `xn--` names), takes a last dot away,
 * and refuses (`undefined`) what that parser refuses or what two readers could take for different hosts: percent signs, zone ids,
 * backslashes, spaces, empty labels, anything but ASCII.
 */
export function parseHost(text: string): Host | undefined {
  if (text.startsWith('[')) {
    const address = text.endsWith(']') ? parseIpAddress(text.slice(1, -1)) : undefined;
    return address?.bits === 128 ? { text: `[${formatIpAddress(address)}]`, address } : undefined;
  }
  const name = text.toLowerCase().replace(/\.$/, '');
  if (name.length > NAME_MAX) return undefined;
  const labels = name.split('.');
  if (!labels.every((label) => LABEL.test(label))) return undefined;
  if (endsInNumber(labels.at(-1) ?? '')) {
    const value = ipv4Number(labels);
    if (value === undefined) return undefined;
    const address: IpAddress = { bits: 32, value };
    return { text: formatIpAddress(address), address };
  }
  // Punycode that decodes to nothing valid, or to what has another ASCII form.
  if (name.includes('xn--') && domainToASCII(name) !== name) return undefined;
  return { text: name, address: undefined };
}

/** Reads `host`, `host:port` or `[v6]:port`. User information, paths, an empty or impossible port: `undefined`. */
export function parseAuthority(text: string): Authority | undefined {
  const [, hostText = '', portText] = /^(\[[^\]]*\]|[^:[\]]*)(?::([0-9]{1,5}))?$/.exec(text) ?? [];
  const host = parseHost(hostText);
  if (host === undefined) return undefined;
  if (portText === undefined) return { host, port: undefined };
  const port = Number(portText);
  return port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** WHATWG's "ends in a number": such a host is an IPv4 address or nothing. */
function endsInNumber(label: string): boolean {
  return /^([0-9]+|0x[0-9a-f]*)$/.test(label);
}

/** WHATWG's IPv4 parser: up to four decimal, octal (`0…`) or hexadecimal (`0x…`) numbers, of which the last fills what is left. */
function ipv4Number(labels: readonly string[]): bigint | undefined {
  const numbers = labels.map(numberOf);
  const last = numbers.at(-1);
  if (numbers.length > 4 || last === undefined) return undefined;
  let value = 0n;
  for (const number of numbers.slice(0, -1)) {
    if (number === undefined || number > 255n) return undefined;
    value = (value << 8n) | number;
  }
  const width = 8n * BigInt(5 - numbers.length);
  return last < 1n << width ? (value << width) | last : undefined;
}

function numberOf(label: string): bigint | undefined {
  if (/^0x[0-9a-f]*$/.test(label)) return label === '0x' ? 0n : BigInt(label);
  if (/^0[0-7]+$/.test(label)) return BigInt(`0o${label.slice(1)}`);
  return /^(0|[1-9][0-9]*)$/.test(label) ? BigInt(label) : undefined;
}
