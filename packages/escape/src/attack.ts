// SPDX-License-Identifier: Apache-2.0

/** What an attack needs to know of the host that it attacks. The host makes these things before, and they must be real: what cannot be reached because it is not there proves nothing. */
export interface AttackFacts {
  /** A TCP port of the host's loopback on which somebody listens. */
  readonly tcpPort: number;
  /** A UDP port of the host's loopback on which somebody answers. */
  readonly udpPort: number;
  /** An abstract Unix socket on which somebody of the host listens. */
  readonly abstractSocket: string;
  /** The host's own addresses. */
  readonly addresses: readonly string[];
  /** Files and directories of the host that a payload must not see. */
  readonly hostPaths: readonly string[];
  /** Paths of the host that belong to others, and texts of host environments: nowhere in a sandbox. */
  readonly markers: readonly string[];
  /** Paths of the host behind the sandbox's own files: in its table of mounts, and nowhere else. */
  readonly ownPaths: readonly string[];
  /** In the command line of a process that runs on the host, in two halves, so that the attack's own has it not. */
  readonly processMarker: readonly [string, string];
  /** A program of root's inside, set-user-id root, that prints its effective uid; '' when there is none. */
  readonly setUserId: string;
  /** A program inside with file capabilities, that prints the file it is given; '' when there is none. */
  readonly fileCapabilities: string;
  /** A directory inside that policy gives read-only, with a file `kept`; '' when there is none. */
  readonly readOnlyBind: string;
}

/** One attack, as Python that runs in the sandbox. */
export interface Attack {
  /** Also the name of its Python function. */
  readonly name: string;
  /** Number in the list of hostile tests that the suite follows (docs/security/escape-suite.md). */
  readonly test: number;
  /** What it tries, as a person says it. */
  readonly title: string;
  /** What must stop it. */
  readonly guard: string;
  /** What is taken away in the control, in which it must succeed. */
  readonly control: string;
  /**
   * Body of a function without parameters, in which `FACTS` and the helpers of `program.ts` are there. It returns what it got (it has
   * succeeded), or raises `OSError` or `Refused` (it has not). Anything else that it raises means that the attack is broken.
   */
  readonly python: string;
  /** It needs programs of root's in the workspace, with rights that nobody should leave lying about on a real machine. */
  readonly needsPlanted?: boolean;
}

/** What one attack came to. `broken`: it could not be tried; neither good nor bad news. */
export interface AttackOutcome {
  readonly verdict: 'refused' | 'succeeded' | 'broken';
  readonly detail: string;
}
