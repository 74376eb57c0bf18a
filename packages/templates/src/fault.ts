// SPDX-License-Identifier: Apache-2.0

/** Why a template cannot be used. */
export interface TemplateFault {
  /** The template in which it stands. */
  readonly template: string;
  /** Where in it: `inherits[0]`, `resources.memory`; empty for the whole. */
  readonly path: string;
  /** For a person, without template and path. */
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
  /** The name that was probably meant. */
  readonly nearest?: string;
  /** The ancestor whose lock is not kept. */
  readonly lockedBy?: string;
  /** The ancestor that has to be mended, when it is not this one. */
  readonly culprit?: string;
}

/** A fault in a sentence: `template "x" is wrong: inherits[0]: there is no template "bse"; did you mean "base"?` */
export function describeFault({ template, ...fault }: TemplateFault): string {
  return `template "${template}" is wrong: ${describePlace(fault)}`;
}

/** The same without the template's name. */
export function describePlace({ path, message, nearest }: Pick<TemplateFault, 'path' | 'message' | 'nearest'>): string {
  const meant = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
  return `${path === '' ? '' : `${path}: `}${message}${meant}`;
}
