// SPDX-License-Identifier: Apache-2.0

/**
 * Bech32 (BIP 173) over bytes. The libraries' versions take and give strings, which cannot be zeroed; an age identity is a secret.
 */
const CHARACTERS = Buffer.from('qpzry9x8gf2tvdw0s3jn54khce6mua7l', 'ascii');
const GENERATORS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3] as const;
const CHECKSUM_WORDS = 6;

/** `prefix`, `1`, the data and its checksum as lower-case ASCII, in a buffer of its own. */
export function encodeBech32(prefix: string, data: Uint8Array): Buffer {
  const words = toWords(data);
  const text = Buffer.alloc(prefix.length + 1 + words.length + CHECKSUM_WORDS);
  text.write(`${prefix}1`, 'ascii');
  const checksum = (polymod(prefix, words, CHECKSUM_WORDS) ^ 1) >>> 0;
  const start = prefix.length + 1;
  for (const [index, word] of words.entries()) text[start + index] = CHARACTERS[word] ?? 0;
  for (let index = 0; index < CHECKSUM_WORDS; index += 1) {
    text[start + words.length + index] = CHARACTERS[(checksum >>> (5 * (CHECKSUM_WORDS - 1 - index))) & 31] ?? 0;
  }
  words.fill(0);
  return text;
}

/** The data of lower-case ASCII under exactly this prefix, in a buffer of its own; `undefined` when anything is wrong with it. */
export function decodeBech32(prefix: string, text: Uint8Array): Buffer | undefined {
  const start = prefix.length + 1;
  if (text.length < start + CHECKSUM_WORDS || !startsWith(text, `${prefix}1`)) return undefined;
  const words = new Uint8Array(text.length - start);
  try {
    for (const index of words.keys()) {
      const word = CHARACTERS.indexOf(text[start + index] ?? 0);
      if (word < 0) return undefined;
      words[index] = word;
    }
    return polymod(prefix, words, 0) === 1 ? fromWords(words.subarray(0, -CHECKSUM_WORDS)) : undefined;
  } finally {
    words.fill(0);
  }
}

function startsWith(text: Uint8Array, start: string): boolean {
  for (let index = 0; index < start.length; index += 1) {
    if (text[index] !== start.charCodeAt(index)) return false;
  }
  return true;
}

/** The checksum's state after the prefix, the words and `padding` zero words. */
function polymod(prefix: string, words: Uint8Array, padding: number): number {
  let state = 1;
  const step = (word: number): void => {
    const top = state >>> 25;
    state = ((state & 0x1ffffff) << 5) ^ word;
    for (const [bit, generator] of GENERATORS.entries()) {
      if (((top >>> bit) & 1) === 1) state ^= generator;
    }
  };
  for (let index = 0; index < prefix.length; index += 1) step(prefix.charCodeAt(index) >>> 5);
  step(0);
  for (let index = 0; index < prefix.length; index += 1) step(prefix.charCodeAt(index) & 31);
  for (const word of words) step(word);
  for (let index = 0; index < padding; index += 1) step(0);
  return state >>> 0;
}

function toWords(data: Uint8Array): Uint8Array {
  const words = new Uint8Array(Math.ceil((data.length * 8) / 5));
  let held = 0;
  let bits = 0;
  let count = 0;
  for (const byte of data) {
    held = ((held << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      words[count] = (held >>> bits) & 31;
      count += 1;
    }
  }
  if (bits > 0) words[count] = (held << (5 - bits)) & 31;
  return words;
}

/** `undefined` when the padding is not zeros, or longer than it need be: there is one encoding for each value. */
function fromWords(words: Uint8Array): Buffer | undefined {
  const data = Buffer.allocUnsafeSlow(Math.floor((words.length * 5) / 8));
  let held = 0;
  let bits = 0;
  let count = 0;
  for (const word of words) {
    held = ((held << 5) | word) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    data[count] = (held >>> bits) & 0xff;
    count += 1;
  }
  if (bits < 5 && (held & ((1 << bits) - 1)) === 0) return data;
  data.fill(0);
  return undefined;
}
