// SPDX-License-Identifier: Apache-2.0
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '@bureau/core';
import type { InstancePaths } from '@bureau/instance';

/** What an operation may use of its caller's surroundings; injected, so that tests and other surfaces bring their own. */
export interface OperationContext {
  readonly paths: InstancePaths;
  /** Where this build is installed, and its hash. */
  readonly buildDirectory: string;
  readonly build: string;
  readonly clock: Clock;
  /** Aborted by Ctrl-C and by whatever ends the caller. */
  readonly signal: AbortSignal;
  /** Effective uid of the caller. */
  readonly uid: number;
  /** The caller's own streams, for operations that are a conversation (run, observe). */
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly output: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };
  readonly error: Writable;
  /** One line about work that takes a while; not part of the result. */
  readonly progress: (line: string) => void;
  /** True when the result will be printed as JSON: nothing else may go to `output`. */
  readonly json: boolean;
  /** `BUREAU_CREDENTIAL_FILE`, when the caller has it. */
  readonly credentialFileVariable: string | undefined;
  /** The caller's environment by name, for secrets that are told to come from there; absent where a caller has none. */
  readonly variable?: (name: string) => string | undefined;
}
