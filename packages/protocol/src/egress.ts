// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { integer } from './scalars.ts';

/** Most rules of one principal: a list that a person can still read. */
const EGRESS_RULES_MAX = 256;
/** Most ports or address ranges of one rule. */
const EGRESS_LIST_MAX = 32;

/**
 * Which hosts a rule speaks of: a name (`pypi.org`), every name below one (`*.pypi.org`, any depth, not `pypi.org` itself), any host
 * (`**`), an IPv4 address, or an IPv6 address in brackets. Lower case; names in their ASCII form (`xn--…`), without a last dot.
 */
const egressHost = v.pipe(
  v.string(),
  v.maxLength(255),
  v.regex(
    /^(\*\*|(\*\.)?[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*|\[[0-9a-f:.]{2,45}\])$/,
    'expected "pypi.org", "*.pypi.org", "**", "192.0.2.7" or "[2001:db8::7]", in lower case',
  ),
);

/** `10.0.0.0/8`, `2001:db8::/32`; a bare address stands for itself. */
const addressRange = v.pipe(
  v.string(),
  v.maxLength(49),
  v.regex(/^[0-9a-f:.]{2,45}(\/[0-9]{1,3})?$/, 'expected an address range such as "10.1.0.0/16"'),
);

/**
 * One line of a principal's list of hosts that it may reach by CONNECT or an absolute target, without keys. What no rule names is refused.
 */
const egressRule = v.strictObject({
  host: egressHost,
  /** Absent: 80 and 443. */
  ports: v.optional(v.pipe(v.array(integer(1, 65_535)), v.minLength(1), v.maxLength(EGRESS_LIST_MAX))),
  /**
   * The addresses that may be dialled. Absent: public ones, or the one that `host` is. This is the only way to an address that is not
   * public: private networks by a range that holds them, loopback and link-local by a range inside theirs, this machine's own addresses
   * and cloud metadata services one by one.
   */
  cidr: v.optional(v.pipe(v.array(addressRange), v.minLength(1), v.maxLength(EGRESS_LIST_MAX))),
  /** A tunnel may carry something else than TLS (SSH, for example). Then no name is checked inside it. */
  plaintext: v.optional(v.boolean(), false),
  /** TLS inside a tunnel may name another host than CONNECT did, or none. */
  any_server_name: v.optional(v.boolean(), false),
});
export type EgressRule = v.InferOutput<typeof egressRule>;

/** The whole list; the first rule that fits decides. */
export const egressRules = v.pipe(v.array(egressRule), v.maxLength(EGRESS_RULES_MAX));
