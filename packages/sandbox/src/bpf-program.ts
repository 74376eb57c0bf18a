// SPDX-License-Identifier: Apache-2.0

/** What happens to a call. `errno`: it fails with this number and does nothing. `kill`: the whole process ends with SIGSYS. */
export type Action = { readonly type: 'allow' } | { readonly type: 'errno'; readonly errno: number } | { readonly type: 'kill' };

/** A decision. Nodes may be shared: what follows from two places is written once. */
export type Node =
  | { readonly type: 'return'; readonly action: Action }
  /** Puts a word of `struct seccomp_data` into the accumulator. */
  | { readonly type: 'load'; readonly offset: number; readonly mask: number | undefined; readonly next: Node }
  /** Looks at the accumulator. */
  | { readonly type: 'test'; readonly compare: 'equal' | 'atLeast'; readonly value: number; readonly yes: Node; readonly no: Node };

/** Classic BPF: load a word, and, jump always, jump if equal, jump if at least, return. */
const LOAD = 0x20;
const AND = 0x54;
const JUMP = 0x05;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const RETURN = 0x06;

const RETURN_ALLOW = 0x7fff0000;
const RETURN_ERRNO = 0x00050000;
const RETURN_KILL_PROCESS = 0x80000000;

/** Farthest that a conditional jump reaches; a plain one reaches any distance. */
const CONDITIONAL_JUMP_MAX = 255;

interface Instruction {
  readonly code: number;
  readonly jumpTrue?: number;
  readonly jumpFalse?: number;
  readonly constant: number;
}

/** The program that decides as `root` says: an array of `struct sock_filter` in little-endian order. */
export function writeProgram(root: Node): Uint8Array {
  const instructions = new ProgramWriter().write(root);
  const bytes = new Uint8Array(instructions.length * 8);
  const view = new DataView(bytes.buffer);
  instructions.forEach(({ code, jumpTrue = 0, jumpFalse = 0, constant }, index) => {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, jumpTrue);
    view.setUint8(index * 8 + 3, jumpFalse);
    view.setUint32(index * 8 + 4, constant >>> 0, true);
  });
  return bytes;
}

/** Writes from the end: jumps only go forward, so each target has its place before somebody jumps there. */
class ProgramWriter {
  readonly #backwards: Instruction[] = [];
  readonly #places = new Map<Node, number>();

  write(root: Node): Instruction[] {
    this.#place(root);
    return this.#backwards.toReversed();
  }

  /** Where `node` begins, counted from the end. */
  #place(node: Node): number {
    const known = this.#places.get(node);
    if (known !== undefined) return known;
    const place = this.#put(node);
    this.#places.set(node, place);
    return place;
  }

  #put(node: Node): number {
    switch (node.type) {
      case 'return':
        return this.#push({ code: RETURN, constant: returnValue(node.action) });
      case 'load': {
        this.#nearby(this.#place(node.next), 0);
        if (node.mask !== undefined) this.#push({ code: AND, constant: node.mask });
        return this.#push({ code: LOAD, constant: node.offset });
      }
      case 'test': {
        const [farYes, farNo] = [this.#place(node.yes), this.#place(node.no)];
        // The second may need a jump of its own, which then lies between the first and the test: one less than the reach.
        const yes = this.#nearby(farYes, CONDITIONAL_JUMP_MAX - 1);
        const no = this.#nearby(farNo, CONDITIONAL_JUMP_MAX);
        const code = node.compare === 'equal' ? JUMP_EQUAL : JUMP_AT_LEAST;
        return this.#push({ code, jumpTrue: this.#distance(yes), jumpFalse: this.#distance(no), constant: node.value });
      }
    }
  }

  /** A place that the next instruction reaches over at most `reach` others: `place`, or a plain jump to it that is put here. */
  #nearby(place: number, reach: number): number {
    const distance = this.#distance(place);
    return distance <= reach ? place : this.#push({ code: JUMP, constant: distance });
  }

  /** Instructions that the next one would jump over to come to `place`. */
  #distance(place: number): number {
    return this.#backwards.length - 1 - place;
  }

  #push(instruction: Instruction): number {
    return this.#backwards.push(instruction) - 1;
  }
}

function returnValue(action: Action): number {
  if (action.type === 'allow') return RETURN_ALLOW;
  return action.type === 'kill' ? RETURN_KILL_PROCESS : RETURN_ERRNO | (action.errno & 0xffff);
}
