// SPDX-License-Identifier: Apache-2.0

/** Which of the payload's two outputs bytes came from; with a terminal everything is `output`. */
export type OutputSource = 'output' | 'error';

/** Bytes as the payload wrote them. */
export interface OutputRecord {
  readonly from: OutputSource;
  readonly data: Uint8Array;
}

/** Pieces up to this are copied together: a payload that writes single bytes must not cost an object for each. */
const MERGED_BYTES = 4 * 1024;
/** Most records, for the payload that writes a byte to each output in turn; then the ring is full with fewer bytes. */
const RECORDS_MAX = 16 * 1024;

const EMPTY: OutputRecord = Object.freeze({ from: 'output', data: new Uint8Array(0) });

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
    if (!(capacity >= 0)) throw new RangeError(`Expected a capacity of 0 or more bytes, found ${capacity}`);
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
    const last = this.#records.length > this.#first ? this.#records.at(-1) : undefined;
    if (last !== undefined && last.from === from && last.data.length + data.length <= MERGED_BYTES) {
      const merged = new Uint8Array(last.data.length + data.length);
      merged.set(last.data);
      merged.set(data, last.data.length);
      this.#records[this.#records.length - 1] = { from, data: merged };
    } else {
      this.#records.push({ from, data });
    }
    this.#size += data.length;
    this.#trim();
  }

  /** Takes the oldest record out, or its first `most` bytes when it is longer; undefined when the ring is empty. Not counted as dropped. */
  shift(most: number): OutputRecord | undefined {
    const oldest = this.#records[this.#first];
    if (oldest === undefined) return undefined;
    const taken = oldest.data.length > most ? { from: oldest.from, data: oldest.data.subarray(0, most) } : oldest;
    if (taken === oldest) this.#dropFirst();
    else this.#records[this.#first] = { from: oldest.from, data: oldest.data.subarray(most) };
    this.#size -= taken.data.length;
    return taken;
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
    while (this.#size > this.#capacity || this.#records.length - this.#first > RECORDS_MAX) {
      const oldest = this.#records[this.#first]!;
      const excess = Math.max(this.#size - this.#capacity, 0);
      if (excess === 0 || oldest.data.length <= excess) {
        this.#dropFirst();
        this.#size -= oldest.data.length;
        this.#dropped += oldest.data.length;
      } else {
        // A copy, so that the cut part does not stay in memory behind a view.
        this.#records[this.#first] = { from: oldest.from, data: oldest.data.slice(excess) };
        this.#size -= excess;
        this.#dropped += excess;
      }
    }
  }

  #dropFirst(): void {
    // Let go of the bytes now: the slot itself may stay for a while.
    this.#records[this.#first] = EMPTY;
    this.#first += 1;
    if (this.#first > 64 && this.#first * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#first);
      this.#first = 0;
    }
  }
}
