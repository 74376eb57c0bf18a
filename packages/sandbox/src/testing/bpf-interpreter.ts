// SPDX-License-Identifier: Apache-2.0

/** What a filter sees of one call: `struct seccomp_data`. */
export interface SeccompData {
  readonly number: number;
  readonly architecture: number;
  readonly arguments: readonly bigint[];
}

/** What a filter answers. */
export type Verdict = 'allow' | 'kill' | `errno ${number}`;

const SECCOMP_DATA_BYTES = 64;

/**
 * Runs a seccomp program on one call, as the kernel would, written independently of our assembler. Throws on whatever the kernel's
 * checker refuses: unknown instructions, jumps out of the program, unaligned loads, a missing return.
 */
export function runSeccomp(program: Uint8Array, call: SeccompData): Verdict {
  return execute(program, call).verdict;
}

/** How many instructions the answer takes. */
export function countInstructions(program: Uint8Array, call: SeccompData): number {
  return execute(program, call).count;
}

function execute(program: Uint8Array, call: SeccompData): { readonly verdict: Verdict; readonly count: number } {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const data = new DataView(new ArrayBuffer(SECCOMP_DATA_BYTES));
  data.setUint32(0, call.number >>> 0, true);
  data.setUint32(4, call.architecture >>> 0, true);
  for (let at = 0; at < 6; at += 1) data.setBigUint64(16 + at * 8, BigInt.asUintN(64, call.arguments[at] ?? 0n), true);
  let accumulator = 0;
  let count = 0;
  for (let at = 0; at * 8 < program.length; at += 1) {
    count += 1;
    const operation = code.getUint16(at * 8, true);
    const constant = code.getUint32(at * 8 + 4, true);
    const jump = (taken: boolean): number => code.getUint8(at * 8 + (taken ? 2 : 3));
    switch (operation) {
      case 0x20: // load word
        if (constant % 4 !== 0 || constant >= SECCOMP_DATA_BYTES) throw new Error(`load from ${constant}`);
        accumulator = data.getUint32(constant, true);
        break;
      case 0x54: // and
        accumulator = (accumulator & constant) >>> 0;
        break;
      case 0x05: // jump
        at += constant;
        break;
      case 0x15: // jump if equal
        at += jump(accumulator === constant);
        break;
      case 0x25: // jump if greater (libseccomp)
        at += jump(accumulator > constant);
        break;
      case 0x35: // jump if at least
        at += jump(accumulator >= constant);
        break;
      case 0x45: // jump if any bit (libseccomp)
        at += jump((accumulator & constant) !== 0);
        break;
      case 0x06: // return
        return { verdict: verdict(constant), count };
      default:
        throw new Error(`instruction ${operation.toString(16)} at ${at}`);
    }
  }
  throw new Error('the program ran past its end');
}

function verdict(value: number): Verdict {
  const action = value & 0xffff0000;
  if (action === 0x7fff0000) return 'allow';
  if (action === 0x00050000) return `errno ${value & 0xffff}`;
  if (action === (0x80000000 | 0) || action === 0) return 'kill';
  throw new Error(`return value ${value.toString(16)}`);
}
