// SPDX-License-Identifier: Apache-2.0
/**
 * Every operation of Bureau, defined once: the command line, the `--json` shape and the help derive from these definitions.
 */
export { OPERATIONS } from './registry/operations.ts';
export type { AnyOperation, Example, FieldSurface, InputSchema, Operation } from './registry/operation.ts';
export type { OperationContext } from './registry/context.ts';
export { EXIT_CODES } from './registry/exit-codes.ts';
