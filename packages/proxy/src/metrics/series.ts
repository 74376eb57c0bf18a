// SPDX-License-Identifier: Apache-2.0

/** Names and values of labels, in the order in which they are written. */
export type Labels = Readonly<Record<string, string>>;

/** Values of one metric by their labels. Never more than `most` of them: what comes later is added up under `other`. */
export class Series {
  readonly #most: number;
  readonly #values = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  add(labels: Labels, amount: number): void {
    let key = labelText(labels);
    if (!this.#values.has(key) && this.#values.size >= this.#most) {
      key = labelText(Object.fromEntries(Object.keys(labels).map((name) => [name, 'other'])));
    }
    this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
  }

  /** The lines of this metric in the Prometheus text format. */
  lines(name: string): string[] {
    return [...this.#values].map(([labels, value]) => `${name}${labels} ${value}`);
  }
}

/** `{a="b",c="d"}`; nothing for no labels. */
export function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(
    ([name, value]) => `${name}="${value.replace(/[\\"\n]/g, (one) => (one === '\n' ? '\\n' : `\\${one}`))}"`,
  );
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}
