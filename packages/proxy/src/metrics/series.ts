// SPDX-License-Identifier: Apache-2.0

/** Names and values of labels, in the order in which they are written. */
export type Labels = Readonly<Record<string, string>>;

/** Values of one metric by their labels. Never more than `most` of them: what comes later is added up under `other`. */
export class Series {
  readonly #most: number;
  readonly #values = new Map<string, { readonly labels: string; value: number }>();

  constructor(most: number) {
    this.#most = most;
  }

  /** `key` stands for the labels: one for each set of them. They are made and written out once. */
  add(key: string, amount: number, labels: () => Labels): void {
    const found = this.#values.get(key);
    if (found !== undefined) found.value += amount;
    else if (this.#values.size < this.#most) this.#values.set(key, { labels: labelText(labels()), value: amount });
    else this.#addOther(Object.keys(labels()), amount);
  }

  #addOther(names: readonly string[], amount: number): void {
    const labels = labelText(Object.fromEntries(names.map((name) => [name, 'other'])));
    const found = this.#values.get(labels);
    if (found === undefined) this.#values.set(labels, { labels, value: amount });
    else found.value += amount;
  }

  /** The lines of this metric in the Prometheus text format. */
  lines(name: string): string[] {
    return [...this.#values.values()].map(({ labels, value }) => `${name}${labels} ${value}`);
  }
}

/** `{a="b",c="d"}`; nothing for no labels. */
export function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(
    ([name, value]) => `${name}="${value.replace(/[\\"\n]/g, (one) => (one === '\n' ? '\\n' : `\\${one}`))}"`,
  );
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}
