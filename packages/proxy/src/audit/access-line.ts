// SPDX-License-Identifier: Apache-2.0
import { accessFields, type AccessRecord } from '../access-log.ts';

/** What JSON writes as it is. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
const SECOND = 1_000;

/** Makes the lines of the access log: the same as `JSON.stringify` of the time and `accessFields`, without an object for each. */
export class AccessLines {
  /** The second that `#date` says, since the Unix epoch. */
  #second = Number.NaN;
  #date = '';
  /** What the line before says between its time and its duration, and of what: agents do the same again and again. */
  #before: AccessRecord | undefined;
  #principal: string | undefined;
  #same = '';

  /** One line with its end. `now` is in milliseconds since the Unix epoch. */
  line(now: number, principal: string | undefined, record: AccessRecord): string {
    const { code, cause, rule, target, address } = record;
    const time = this.timeOf(now);
    // What went well and went by itself, which is nearly everything.
    if (code !== undefined || cause !== undefined || rule !== undefined || target !== undefined || address !== undefined)
      return `${JSON.stringify({ time, ...accessFields(principal, record) })}\n`;
    const milliseconds = Math.round(record.milliseconds * 100) / 100;
    if (principal !== this.#principal || !isAlike(record, this.#before)) {
      this.#principal = principal;
      this.#before = record;
      this.#same =
        `"principal":${principal === undefined ? 'null' : text(principal)},"service":${text(record.service)}` +
        `,"method":${text(record.method)},"path":${text(record.path)},"status":${record.status}`;
    }
    return (
      `{"time":"${time}",${this.#same},"ms":${milliseconds},"bytes_in":${record.bytesIn ?? 0},"bytes_out":${record.bytes}` +
      `,"trace_id":${text(record.traceId)}${record.operator === true ? ',"operator":true' : ''}}\n`
    );
  }

  /** ISO 8601 with milliseconds, in UTC. */
  timeOf(now: number): string {
    const whole = Math.floor(now);
    const second = Math.floor(whole / SECOND);
    if (second !== this.#second) {
      this.#second = second;
      this.#date = new Date(second * SECOND).toISOString().slice(0, -'000Z'.length);
    }
    return `${this.#date}${String(whole - second * SECOND).padStart(3, '0')}Z`;
  }
}

function isAlike(a: AccessRecord, b: AccessRecord | undefined): boolean {
  return b !== undefined && a.service === b.service && a.method === b.method && a.path === b.path && a.status === b.status;
}

function text(value: string): string {
  return PLAIN.test(value) ? `"${value}"` : JSON.stringify(value);
}
