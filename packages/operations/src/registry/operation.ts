// SPDX-License-Identifier: Apache-2.0
import type { GenericSchema, InferOutput, ObjectEntries, StrictObjectSchema } from 'valibot';
import type { OperationContext } from './context.ts';

/** The input of every operation: an object whose fields become arguments, options, JSON, a tool's parameters. */
export type InputSchema = StrictObjectSchema<ObjectEntries, undefined>;

/** How one field of the input is given on a command line. Fields without an entry are options named like the field. */
export interface FieldSurface {
  /** Given by its place instead of by name; the order is that of `positionals`. */
  readonly help: string;
  /** Shown for the value: `DURATION`. */
  readonly placeholder?: string;
  readonly short?: string;
  /** A boolean that is on by default is also offered as `--no-NAME`. */
  readonly negatable?: boolean;
}

/** One worked example. */
export interface Example {
  readonly command: string;
  readonly shows: string;
}

/**
 * One thing that a person, an agent or a program can ask Bureau for. Written once: the command line, the `--json` shape and the
 * help derive from it.
 */
export interface Operation<Input extends InputSchema = InputSchema, Output extends GenericSchema = GenericSchema> {
  /** The words on the command line: `agent deploy`. */
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** More, for the help page. */
  readonly description?: string;
  readonly input: Input;
  readonly output: Output;
  /** What a principal must have been granted to ask for it. */
  readonly grant: string;
  readonly fields: { readonly [Field in keyof Input['entries']]: FieldSurface };
  /** Fields that are given by their place. The last one may be a list. */
  readonly positionals: readonly (keyof Input['entries'] & string)[];
  /** Words after `--` go into this field, untouched. */
  readonly rest?: keyof Input['entries'] & string;
  readonly examples: readonly [Example, ...Example[]];
  readonly handler: (input: InferOutput<Input>, context: OperationContext) => Promise<InferOutput<Output>>;
  /** The handler writes what it finds to `context.output` as it comes, with `context.json` as JSON lines; its result is not printed. */
  readonly ownOutput?: boolean;
  /** The result for a person. Without it, or with an empty text, nothing is printed. */
  readonly render?: (output: InferOutput<Output>) => string;
  /** The exit code of a result that is no failure of ours; 0 without it. */
  readonly exitCode?: (output: InferOutput<Output>) => number;
}

/** Any operation, as the registry holds it. */
// The handler's parameter makes operations invariant in their input; what calls them has validated it by the same schema.
export type AnyOperation = Omit<Operation, 'handler' | 'render' | 'exitCode' | 'fields' | 'positionals' | 'rest'> & {
  readonly fields: Readonly<Record<string, FieldSurface>>;
  readonly positionals: readonly string[];
  readonly rest?: string;
  readonly handler: (input: never, context: OperationContext) => Promise<unknown>;
  readonly render?: (output: never) => string;
  readonly exitCode?: (output: never) => number;
};

/** Declares an operation; the types of its handler come from its schemas. */
export function defineOperation<Input extends InputSchema, Output extends GenericSchema>(
  operation: Operation<Input, Output>,
): AnyOperation {
  return operation as unknown as AnyOperation;
}
