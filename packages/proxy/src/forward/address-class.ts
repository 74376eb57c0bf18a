// SPDX-License-Identifier: Apache-2.0
import { inRange, parseIpAddress, parseIpRange, rangeInside, type IpAddress, type IpRange } from './ip-address.ts';

/** What kind of place an address is; only `public` is open to a rule that lists no addresses. */
export type AddressClass =
  | 'public'
  | 'private'
  | 'loopback'
  | 'link-local'
  | 'metadata'
  | 'own'
  | 'embedded'
  | 'reserved'
  | 'multicast'
  | 'unspecified';

/**
 * Services that hand out a machine's credentials to whoever can reach them (AWS, GCP, Azure, Alibaba, Oracle). One of Azure's is a
 * public address, so no range table would find it.
 */
const METADATA: readonly IpAddress[] = [
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd00:ec2::23',
  'fd20:ce::254',
].map(address);

/** IANA's special-purpose registries (RFC 6890 and what came after); the first range that holds an address names it. */
const RANGES: readonly (readonly [IpRange, AddressClass])[] = [
  ['0.0.0.0/8', 'unspecified'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['10.0.0.0/8', 'private'],
  ['172.16.0.0/12', 'private'],
  ['192.168.0.0/16', 'private'],
  ['100.64.0.0/10', 'private'],
  ['192.0.0.0/24', 'reserved'],
  ['192.0.2.0/24', 'reserved'],
  ['192.88.99.0/24', 'embedded'],
  ['198.18.0.0/15', 'reserved'],
  ['198.51.100.0/24', 'reserved'],
  ['203.0.113.0/24', 'reserved'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  // An IPv4 address inside an IPv6 one: mapped, compatible, translated (NAT64), 6to4, Teredo. Where it leads is not what it says.
  ['::ffff:0:0/96', 'embedded'],
  ['::/96', 'embedded'],
  ['::ffff:0:0:0/96', 'embedded'],
  ['64:ff9b::/96', 'embedded'],
  ['64:ff9b:1::/48', 'embedded'],
  ['2002::/16', 'embedded'],
  ['2001::/32', 'embedded'],
  ['fe80::/10', 'link-local'],
  ['fc00::/7', 'private'],
  ['fec0::/10', 'private'],
  ['ff00::/8', 'multicast'],
  ['2001::/23', 'reserved'],
  ['2001:db8::/32', 'reserved'],
  ['3fff::/20', 'reserved'],
  ['5f00::/16', 'reserved'],
].map(([text = '', name = '']) => [range(text), name as AddressClass] as const);

/** Of IPv6 only this is handed out to anyone; the rest is reserved. */
const GLOBAL_UNICAST = range('2000::/3');

/** Says what `target` is. `own` are the addresses of this machine's interfaces. */
export function classOf(target: IpAddress, own: readonly IpAddress[]): AddressClass {
  if (METADATA.some((one) => same(one, target))) return 'metadata';
  const found = RANGES.find(([special]) => inRange(target, special))?.[1];
  if (found !== undefined && found !== 'private') return found;
  if (own.some((one) => same(one, target))) return 'own';
  if (found !== undefined) return found;
  return target.bits === 32 || inRange(target, GLOBAL_UNICAST) ? 'public' : 'reserved';
}

/**
 * True when a rule that lists `listed` opens `target`. A private network is opened by any range that holds it; loopback, link-local and
 * the like only by a range inside theirs, so that `0.0.0.0/0` opens none of them; metadata services and own addresses only one by one;
 * multicast and the unspecified address (which the kernel takes for loopback) never.
 */
export function opensAddress(target: IpAddress, listed: readonly IpRange[], own: readonly IpAddress[]): boolean {
  const kind = classOf(target, own);
  if (kind === 'multicast' || kind === 'unspecified') return false;
  const holding = listed.filter((one) => inRange(target, one));
  if (kind === 'public' || kind === 'private') return holding.length > 0;
  if (kind === 'metadata' || kind === 'own') return holding.some((one) => one.prefix === one.bits);
  const block = RANGES.find(([special]) => inRange(target, special))?.[0];
  return holding.some((one) => block !== undefined && rangeInside(one, block));
}

function same(one: IpAddress, other: IpAddress): boolean {
  return one.bits === other.bits && one.value === other.value;
}

function address(text: string): IpAddress {
  const found = parseIpAddress(text);
  if (found === undefined) throw new Error(`The table of addresses holds ${text}`);
  return found;
}

function range(text: string): IpRange {
  const found = parseIpRange(text);
  if (found === undefined) throw new Error(`The table of addresses holds ${text}`);
  return found;
}
