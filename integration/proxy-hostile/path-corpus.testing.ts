// SPDX-License-Identifier: Apache-2.0

/** Spellings that some server takes for `/secret`, though they begin below `/ok/`. */
export const PATH_CORPUS: readonly string[] = [
  '/ok/../secret',
  '/ok/..%2fsecret',
  '/ok/..%2Fsecret',
  '/ok/%2e%2e/secret',
  '/ok/%2E%2e/secret',
  '/ok/.%2e/secret',
  '/ok/%2e./secret',
  '/ok/%2e%2e%2fsecret',
  '/ok/%252e%252e/secret',
  '/ok/%252e%252e%252fsecret',
  '/ok/%25252e%25252e/secret',
  '/ok/..%252fsecret',
  '/ok/..;/secret',
  '/ok/..;x=1/secret',
  '/ok/%2e%2e;/secret',
  '/ok/..%3b/secret',
  '/ok/..\\secret',
  '/ok/..%5csecret',
  '/ok/..%5Csecret',
  '/ok/%2e%2e%5csecret',
  '/ok/..%255csecret',
  '/ok//../secret',
  '/ok/./../secret',
  '/ok/a/../../secret',
  '/ok/a/b/../../../secret',
  '/ok/a/%2e%2e/%2e%2e/secret',
  '/ok/a/..%2f..%2fsecret',
  '/ok/..',
  '/ok/..%00/secret',
  '/ok/%00/../secret',
  '/ok/../secret%00',
  '/ok/..%09/secret',
  '/ok/..%0d%0a/secret',
  '/ok/../secret#',
  '/ok/x#/../../secret',
  '/ok/..%c0%af../secret',
  '/ok/%c0%ae%c0%ae/secret',
  '/ok/..%e0%80%af../secret',
  '/ok/..%f0%80%80%af../secret',
  '/ok/..%25c0%25af../secret',
  '/ok/..%20/secret',
  '/ok/%2e%2e%2520/secret',
  '/ok/%',
  '/ok/%2',
  '/ok/%zz/../secret',
  '//ok/../secret',
  '/secret',
  '/Ok/../secret',
  '/ok/../../../../../secret',
  '/ok/.%252e/secret',
];

const PIECES = [
  'ok',
  'secret',
  'a',
  '.',
  '..',
  '%2e',
  '%2E%2e',
  '.%2e',
  '%252e%252e',
  '/',
  '/',
  '/',
  '//',
  '%2f',
  '%2F',
  '%252f',
  '\\',
  '%5c',
  ';',
  ';x=1',
  '%3b',
  '...',
  '%20',
  '%41',
  'b.c',
  '%',
  '%00',
  '%2a',
  '*',
  ':',
  '@',
  '~',
];

/** The same `count` paths each time, made of pieces that readers disagree on; each begins below `/ok/`. */
export function* madePaths(count: number): Generator<string> {
  let state = 0x2545_f491;
  const next = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  for (let made = 0; made < count; made += 1) {
    const pieces = Array.from({ length: 1 + next(6) }, () => PIECES[next(PIECES.length)] ?? '');
    yield `/ok/${pieces.join('')}${next(3) === 0 ? '/secret' : ''}`;
  }
}
