// SPDX-License-Identifier: Apache-2.0

/** Why an answer that fits made no event; for the log, the agent is told nothing of it. */
export class InterceptionFailure extends Error {
  override readonly name = 'InterceptionFailure';
  readonly code: 'response_too_large' | 'response_not_json' | 'response_too_deep' | 'response_cut' | 'secret_in_content';

  constructor(code: InterceptionFailure['code']) {
    super(code);
    this.code = code;
  }
}
