// SPDX-License-Identifier: Apache-2.0

/** As much of a valibot schema as says which names it knows. */
interface SchemaShape {
  readonly entries?: Readonly<Record<string, SchemaShape>>;
  readonly wrapped?: SchemaShape;
  readonly item?: SchemaShape;
  readonly value?: SchemaShape;
  readonly options?: readonly (SchemaShape | string)[];
}

/** The names that a schema knows in the object at a path; none where it is no object or takes any name. Pure. */
export function namesAt(schema: object, path: readonly (string | number)[]): readonly string[] {
  let shapes = unwrapped(schema as SchemaShape);
  for (const key of path) shapes = shapes.flatMap((shape) => below(shape, key)).flatMap(unwrapped);
  return [...new Set(shapes.flatMap(({ entries }) => Object.keys(entries ?? {})))];
}

/** A schema without what makes it optional; each of several that are possible. */
function unwrapped(schema: SchemaShape): readonly SchemaShape[] {
  if (schema.wrapped !== undefined) return unwrapped(schema.wrapped);
  const options = (schema.options ?? []).filter((option) => typeof option === 'object');
  return options.length > 0 ? options.flatMap(unwrapped) : [schema];
}

function below({ entries, item, value }: SchemaShape, key: string | number): readonly SchemaShape[] {
  const found = entries !== undefined && Object.hasOwn(entries, key) ? entries[key] : (item ?? value);
  return found === undefined ? [] : [found];
}
