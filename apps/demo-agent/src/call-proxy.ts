// SPDX-License-Identifier: Apache-2.0
import { request } from 'node:http';

const SOCKET = '/proxy.sock';
/** A proxy that is being replaced is back within a second or two. */
const TRIES = 20;
const PAUSE_MILLISECONDS = 250;

/** One JSON call to the proxy. Throws with the proxy's own words when it refuses; waits out a proxy that is being replaced. */
export async function callProxy(method: 'GET' | 'POST', path: string, body?: object): Promise<Record<string, unknown>> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await callOnce(method, path, body);
    } catch (error) {
      if (attempt >= TRIES || !isAway(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
    }
  }
}

function callOnce(method: string, path: string, body: object | undefined): Promise<Record<string, unknown>> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const headers = payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: SOCKET, host: 'bureau', method, path, headers }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => {
        const text = Buffer.concat(parts).toString('utf8');
        const status = answer.statusCode ?? 0;
        if (status >= 200 && status < 300) return resolve(JSON.parse(text) as Record<string, unknown>);
        reject(Object.assign(new Error(`${method} ${path}: ${status} ${text}`), { code: `HTTP_${status}` }));
      });
    });
    outgoing.on('error', reject);
    outgoing.end(payload);
  });
}

/** Refused, reset, or not yet configured: the proxy is on its way back. */
function isAway(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return (
    code === 'ECONNREFUSED' ||
    code === 'ECONNRESET' ||
    code === 'ENOENT' ||
    code === 'HTTP_502' ||
    code === 'HTTP_503' ||
    code === 'HTTP_429'
  );
}
