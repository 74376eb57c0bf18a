// SPDX-License-Identifier: Apache-2.0
import { encodeFrame } from '@bureau/ipc';

/** A hello and one request as bytes in base64, past every check of a client: for a raw step of `speakAs`. */
export function callFrames(method: string, input: unknown): string {
  const frames = [
    { type: 'hello', protocol: 1, build: 'test', role: 'test' },
    { type: 'request', id: 1, method, input },
  ];
  return Buffer.concat(frames.map((frame) => encodeFrame(frame))).toString('base64');
}
