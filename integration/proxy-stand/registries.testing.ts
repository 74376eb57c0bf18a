// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Not 127.0.0.1: `NO_PROXY` names that one, since it is the sandbox's own. */
export const REGISTRY_ADDRESS = '127.0.0.2';
const WHEEL = 'tiny_wheel-1.0-py3-none-any.whl';
const TARBALL = 'tiny-pack-1.0.0.tgz';
/** What both packages say when they are used. */
export const PACKAGE_WORDS = 'installed through the proxy';

const MAKE_WHEEL = `import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    wheel.writestr('tiny_wheel.py', 'WORDS = "' + sys.argv[2] + '"\\n')
    info = 'tiny_wheel-1.0.dist-info/'
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: tiny-wheel\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', 'tiny_wheel.py,,\\n' + info + 'METADATA,,\\n' + info + 'WHEEL,,\\n' + info + 'RECORD,,\\n')
`;

/** PyPI's simple index and npm's registry with one package each, over TLS that only who has `authority` trusts. */
export class Registries implements AsyncDisposable {
  /** PEM of the certificate. */
  readonly authority: string;
  /** Method and path of each request. */
  readonly seen: string[] = [];
  readonly #server: Server;
  readonly #wheel: Buffer;
  readonly #tarball: Buffer;

  private constructor(key: Buffer, cert: Buffer, wheel: Buffer, tarball: Buffer) {
    this.authority = cert.toString('utf8');
    this.#wheel = wheel;
    this.#tarball = tarball;
    this.#server = createServer({ key, cert }, ({ method, url }, response) => {
      this.seen.push(`${method} ${url}`);
      this.#answer(url ?? '', response);
    });
  }

  static async start(): Promise<Registries> {
    const directory = mkdtempSync(join(tmpdir(), 'bureau-registries-'));
    const at = (name: string): string => join(directory, name);
    try {
      const request = [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=registry',
      ];
      // npm says no server name to an address, and takes the certificate for that of `localhost` then.
      const names = ['-addext', `subjectAltName=IP:${REGISTRY_ADDRESS},DNS:localhost`];
      execFileSync('/usr/bin/openssl', [...request, ...names, '-keyout', at('key'), '-out', at('cert')], { stdio: 'ignore' });
      execFileSync('/usr/bin/python3', ['-c', MAKE_WHEEL, at(WHEEL), PACKAGE_WORDS]);
      mkdirSync(at('package'));
      writeFileSync(at('package/package.json'), JSON.stringify({ name: 'tiny-pack', version: '1.0.0', main: 'index.js' }));
      writeFileSync(at('package/index.js'), `module.exports = ${JSON.stringify(PACKAGE_WORDS)};\n`);
      execFileSync('/usr/bin/tar', ['-czf', at(TARBALL), '-C', directory, 'package']);
      const [key, cert, wheel, tarball] = ['key', 'cert', WHEEL, TARBALL].map((name) => readFileSync(at(name))) as Four;
      const registries = new Registries(key, cert, wheel, tarball);
      registries.#server.listen(0, REGISTRY_ADDRESS);
      await once(registries.#server, 'listening');
      return registries;
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `https://${REGISTRY_ADDRESS}:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #answer(url: string, response: ServerResponse): void {
    if (url === '/simple/tiny-wheel/') response.setHeader('content-type', 'text/html').end(`<a href="/files/${WHEEL}">${WHEEL}</a>`);
    else if (url === `/files/${WHEEL}`) response.end(this.#wheel);
    else if (url === '/tiny-pack') response.setHeader('content-type', 'application/json').end(JSON.stringify(this.#packument()));
    else if (url === `/files/${TARBALL}`) response.end(this.#tarball);
    else response.writeHead(404).end('no such package');
  }

  #packument(): object {
    const integrity = `sha512-${createHash('sha512').update(this.#tarball).digest('base64')}`;
    const dist = { tarball: `${this.url}/files/${TARBALL}`, integrity };
    const version = { name: 'tiny-pack', version: '1.0.0', main: 'index.js', dist };
    return { name: 'tiny-pack', 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': version } };
  }
}

type Four = [Buffer, Buffer, Buffer, Buffer];
