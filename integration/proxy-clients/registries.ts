// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/** Not 127.0.0.1: clients leave that out of their proxy (`NO_PROXY`). */
export const REGISTRY_HOST = '127.0.0.2';

/** A Python index and an npm registry behind TLS, each with one package, `bureau-demo` 1.0.0. */
export class Registries implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Makes the packages in `directory`. */
  static async start(directory: string, tls: { readonly key: Buffer; readonly cert: Buffer }): Promise<Registries> {
    const files = makePackages(directory);
    const server = createServer(tls, (request, response) => {
      const path = request.url ?? '';
      registries.asked.push(path);
      const file = files[path];
      if (file === undefined) return void response.writeHead(404).end();
      const body = typeof file === 'function' ? file(registries.url) : file;
      response.writeHead(200, { 'content-type': path.startsWith('/simple') ? 'text/html' : 'application/octet-stream' }).end(body);
    });
    const registries = new Registries(server);
    await new Promise<void>((resolve) => server.listen(0, REGISTRY_HOST, () => resolve()));
    return registries;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `https://${REGISTRY_HOST}:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

type Files = Readonly<Record<string, Buffer | ((url: string) => string)>>;

const WHEEL = 'bureau_demo-1.0.0-py3-none-any.whl';
const MAKE_WHEEL = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    wheel.writestr('bureau_demo.py', 'WORDS = "installed through the list"\\n')
    wheel.writestr('bureau_demo-1.0.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: bureau-demo\\nVersion: 1.0.0\\n')
    wheel.writestr('bureau_demo-1.0.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr('bureau_demo-1.0.0.dist-info/RECORD', '')
`;

function makePackages(directory: string): Files {
  execFileSync('/usr/bin/python3', ['-c', MAKE_WHEEL, join(directory, WHEEL)]);
  mkdirSync(join(directory, 'package'));
  writeFileSync(join(directory, 'package/package.json'), '{"name":"bureau-demo","version":"1.0.0","main":"index.js"}');
  writeFileSync(join(directory, 'package/index.js'), 'module.exports = "installed through the list";\n');
  execFileSync('/usr/bin/tar', ['-czf', join(directory, 'demo.tgz'), '-C', directory, 'package']);
  const tarball = readFileSync(join(directory, 'demo.tgz'));
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
  return {
    '/simple/bureau-demo/': () => `<a href="/files/${WHEEL}">${WHEEL}</a>`,
    [`/files/${WHEEL}`]: readFileSync(join(directory, WHEEL)),
    '/bureau-demo': (url) =>
      JSON.stringify({
        name: 'bureau-demo',
        'dist-tags': { latest: '1.0.0' },
        versions: { '1.0.0': { name: 'bureau-demo', version: '1.0.0', dist: { tarball: `${url}/files/demo.tgz`, integrity } } },
      }),
    '/files/demo.tgz': tarball,
  };
}
