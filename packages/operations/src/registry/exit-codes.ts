// SPDX-License-Identifier: Apache-2.0

/** Exit codes of `bureau`. `run` and `agent` commands that carry a payload's end pass that on instead. */
export const EXIT_CODES = {
  ok: 0,
  /** It failed; the message says why. */
  failed: 1,
  /** The command line was wrong. */
  usage: 2,
  /** `run`: the time was up. */
  timeout: 124,
  /** `run`: Bureau failed or was asked wrongly, not the command: it may give 1 and 2 itself. */
  bureau: 125,
  /** Ctrl-C. */
  interrupted: 130,
} as const;
