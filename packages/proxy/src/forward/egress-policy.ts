// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import type { EgressRule } from '@bureau/protocol';
import { opensAddress, classOf } from './address-class.ts';
import { parseHost, type Host } from './host-name.ts';
import { formatIpAddress, parseIpAddress, parseIpRange, type IpAddress, type IpRange } from './ip-address.ts';

const USUAL_PORTS: readonly number[] = [80, 443];

/** One rule, read once. */
interface CompiledRule {
  readonly name: string;
  readonly rule: EgressRule;
  readonly fits: (host: Host) => boolean;
  readonly ports: readonly number[];
  readonly ranges: readonly IpRange[] | undefined;
}

/** What a rule allows. */
export interface EgressGrant {
  /** For the log and for problems, e.g. `egress[3]`. */
  readonly rule: string;
  readonly address: IpAddress;
  readonly plaintext: boolean;
  readonly anyServerName: boolean;
}

/** Why nothing allows a call. */
export interface EgressRefusal {
  readonly code: 'egress_host_refused' | 'egress_port_refused' | 'egress_address_refused';
  /** In words, without a full stop. */
  readonly reason: string;
  /** The rule that came nearest, or `egress`. */
  readonly rule: string;
  /** What an operator could add to the list, as JSON. */
  readonly wouldAllow: string;
}

/** The list of one bundle. Pure: names and addresses come in, a judgement comes out. */
export class EgressPolicy {
  readonly #rules: readonly CompiledRule[];

  /** Throws `egress_invalid` for a rule that could never be what its author meant. */
  constructor(rules: readonly EgressRule[]) {
    this.#rules = rules.map((rule, index) => compile(rule, index));
  }

  /** Whether any rule speaks of this host and port; before a name is looked up, so that a refused one never reaches a resolver. */
  refusesTarget(host: Host, port: number): EgressRefusal | undefined {
    const named = this.#rules.filter((rule) => rule.fits(host));
    if (named.some((rule) => rule.ports.includes(port))) return undefined;
    const [nearest] = named;
    if (nearest === undefined) {
      return {
        code: 'egress_host_refused',
        reason: `no rule of this principal's egress list names ${host.text}`,
        rule: 'egress',
        wouldAllow: suggestion(host, port),
      };
    }
    return {
      code: 'egress_port_refused',
      reason: `${nearest.name} allows ${host.text} on ${portsText(nearest.ports)}, not on ${port}`,
      rule: nearest.name,
      wouldAllow: suggestion(host, port),
    };
  }

  /** The first rule that opens the first possible one of `addresses`, which are all that the host resolved to. */
  judge(host: Host, port: number, addresses: readonly IpAddress[], own: readonly IpAddress[]): EgressGrant[] | EgressRefusal {
    const refused = this.refusesTarget(host, port);
    if (refused !== undefined) return refused;
    const rules = this.#rules.filter((rule) => rule.fits(host) && rule.ports.includes(port));
    const grants = addresses.flatMap((address) => {
      const found = rules.find((rule) => opens(rule, host, address, own));
      return found === undefined
        ? []
        : [{ rule: found.name, address, plaintext: found.rule.plaintext, anyServerName: found.rule.any_server_name }];
    });
    if (grants.length > 0) return grants;
    const [first] = addresses;
    const where = first === undefined ? 'no address' : `${formatIpAddress(first)} (${classOf(first, own)})`;
    return {
      code: 'egress_address_refused',
      reason: `${host.text} is ${where}, which ${rules[0]?.name ?? 'no rule'} does not list`,
      rule: rules[0]?.name ?? 'egress',
      wouldAllow: suggestion(host, port, first),
    };
  }
}

function opens(rule: CompiledRule, host: Host, address: IpAddress, own: readonly IpAddress[]): boolean {
  if (rule.ranges !== undefined) return opensAddress(address, rule.ranges, own);
  // A rule that names an address lists it.
  if (host.address !== undefined && rule.rule.host !== '**') return opensAddress(address, [{ ...address, prefix: address.bits }], own);
  return classOf(address, own) === 'public';
}

function compile(rule: EgressRule, index: number): CompiledRule {
  const name = `egress[${index}]`;
  const ranges = rule.cidr?.map((text) => parseIpRange(text) ?? invalid(name, `cidr ${JSON.stringify(text)} is not a range of addresses`));
  return { name, rule, fits: hostTest(name, rule.host), ports: rule.ports ?? USUAL_PORTS, ranges };
}

function hostTest(name: string, pattern: string): (host: Host) => boolean {
  if (pattern === '**') return () => true;
  const below = pattern.startsWith('*.');
  const host = parseHost(below ? pattern.slice(2) : pattern);
  if (host === undefined || host.text !== (below ? pattern.slice(2) : pattern) || (below && host.address !== undefined)) {
    return invalid(
      name,
      `host ${JSON.stringify(pattern)} is not in its one spelling${host === undefined ? '' : ` (${JSON.stringify(host.text)})`}`,
    );
  }
  if (!below) return ({ text }) => text === host.text;
  return ({ text, address }) => address === undefined && text.endsWith(`.${host.text}`);
}

function invalid(rule: string, what: string): never {
  throw new BureauError('egress_invalid', `Cannot use ${rule} of the bundle: ${what}; seal it again`);
}

function portsText(ports: readonly number[]): string {
  return ports.length === 1 ? `port ${ports[0]}` : `ports ${ports.join(', ')}`;
}

function suggestion(host: Host, port: number, address?: IpAddress): string {
  return JSON.stringify({
    host: host.text,
    ports: [port],
    ...(address === undefined || host.address !== undefined ? {} : { cidr: [`${formatIpAddress(address)}/${address.bits}`] }),
  });
}

/** Reads what a resolver gave; addresses with a zone are left out. */
export function readAddresses(texts: readonly string[]): IpAddress[] {
  return texts.flatMap((text) => parseIpAddress(text) ?? []);
}
