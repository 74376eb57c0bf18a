// SPDX-License-Identifier: Apache-2.0

/** Which of the payload's two outputs bytes came from; with a terminal everything is `output`. */
export type OutputSource = 'output' | 'error';

/** Bytes as the payload wrote them. */
export interface OutputRecord {
  readonly from: OutputSource;
  readonly data: Uint8Array;
}

/**
 * The newest output of a payload, at most `capacity` bytes. Holds on to the arrays it is given: the caller must not write to them
 * afterwards. The oldest record is cut in the middle rather than dropped whole, so that the ring is full when it can be.
 */
export class OutputRing {
  readonly #capacity: number;
  #records: OutputRecord[] = [];
  /** Index of the oldest live record; the array is compacted when half of it is dead. */
  #first = 0;
  #size = 0;
  #dropped = 0;

  constructor(capacity: number) {
    if (!Number.isSafeInteger(capacity) || capacity < 0) throw new RangeError(`Expected a capacity of 0 or more bytes, found ${capacity}`);
    this.#capacity = capacity;
  }

  /** Bytes in the ring. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that were pushed and are no longer here. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes `data` over. */
  push(from: OutputSource, data: Uint8Array): void {
    if (data.length === 0) return;
    this.#records.push({ from, data });
    this.#size += data.length;
    this.#trim();
  }

  /** The newest records, `most` bytes of them at most, oldest first, and how many earlier bytes (dropped or left out) are missing. */
  tail(most: number): { records: OutputRecord[]; missing: number } {
    const records: OutputRecord[] = [];
    let left = Math.min(most, this.#size);
    const missing = this.#dropped + this.#size - left;
    for (let index = this.#records.length - 1; index >= this.#first && left > 0; index -= 1) {
      const record = this.#records[index]!;
      const taken = record.data.length > left ? { from: record.from, data: record.data.subarray(record.data.length - left) } : record;
      records.push(taken);
      left -= taken.data.length;
    }
    return { records: records.reverse(), missing };
  }

  #trim(): void {
    while (this.#size > this.#capacity) {
      const oldest = this.#records[this.#first]!;
      const excess = this.#size - this.#capacity;
      if (oldest.data.length <= excess) {
        this.#first += 1;
        this.#size -= oldest.data.length;
        this.#dropped += oldest.data.length;
      } else {
        // A copy, so that the cut part does not stay in memory behind a view.
        this.#records[this.#first] = { from: oldest.from, data: oldest.data.slice(excess) };
        this.#size -= excess;
        this.#dropped += excess;
      }
    }
    if (this.#first > 64 && this.#first * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#first);
      this.#first = 0;
    }
  }
}
