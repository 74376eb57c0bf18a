// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { HostEtc } from './host-etc.ts';

function host(): Disposable & { readonly etc: string; readonly base: string } {
  const path = mkdtempSync(join(tmpdir(), 'bureau-host-etc-'));
  const etc = join(path, 'etc');
  for (const directory of ['ssl/certs', 'ssl/private', 'alternatives']) mkdirSync(join(etc, directory), { recursive: true });
  return { etc, base: join(path, 'copies'), [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

test('HostEtc copies the listed tables and certificates, links into /usr as links, and nothing that ordinary users may not read', () => {
  using place = host();
  const { etc } = place;
  const umask = process.umask(0o077);
  try {
    writeFileSync(join(etc, 'services'), 'http 80/tcp\n');
    writeFileSync(join(etc, 'shadow'), 'secret');
    writeFileSync(join(etc, 'ssl/private/key.pem'), 'secret');
    writeFileSync(join(etc, 'ssl/certs/own.pem'), 'certificate');
    writeFileSync(join(etc, 'ssl/certs/closed.pem'), 'secret', { mode: 0o600 });
    symlinkSync('own.pem', join(etc, 'ssl/certs/1234.0'));
    symlinkSync(join(etc, 'ssl/private/key.pem'), join(etc, 'ssl/certs/sly.pem'));
    symlinkSync('/usr/share/zoneinfo/Etc/UTC', join(etc, 'localtime'));
    symlinkSync(join(etc, 'shadow'), join(etc, 'protocols'));
    for (const path of ['services', 'ssl/certs/own.pem']) chmodSync(join(etc, path), 0o644);
    chmodSync(join(etc, 'shadow'), 0o600);
    const copy = new HostEtc(place.base, etc).current();
    assert.equal(readFileSync(join(copy, 'services'), 'utf8'), 'http 80/tcp\n');
    assert.equal(readlinkSync(join(copy, 'localtime')), '/usr/share/zoneinfo/Etc/UTC');
    assert.deepEqual(readdirSync(join(copy, 'ssl/certs')).toSorted(), ['1234.0', 'own.pem']);
    assert.equal(existsSync(join(copy, 'shadow')) || existsSync(join(copy, 'ssl/private')) || existsSync(join(copy, 'protocols')), false);
    const modes = ['.', 'ssl', 'ssl/certs', 'services'].map((path) => statSync(join(copy, path)).mode & 0o777);
    assert.deepEqual(modes, [0o755, 0o755, 0o755, 0o644], 'readable by everyone whatever the umask');
  } finally {
    process.umask(umask);
  }
});

test('HostEtc makes a new copy when the host’s files change, leaves the old one to who uses it, and knows an equal one again', () => {
  using place = host();
  const [services, fresh] = [join(place.etc, 'services'), join(place.etc, 'services.new')];
  writeFileSync(services, 'one', { mode: 0o644 });
  const copies = new HostEtc(place.base, place.etc);
  const first = copies.current();
  assert.equal(copies.current(), first);
  assert.equal(new HostEtc(place.base, place.etc).current(), first, 'another launcher');
  writeFileSync(fresh, 'two', { mode: 0o644 });
  renameSync(fresh, services);
  const second = copies.current();
  assert.notEqual(second, first);
  assert.equal(readFileSync(join(second, 'services'), 'utf8'), 'two');
  assert.equal(readFileSync(join(first, 'services'), 'utf8'), 'one');
  rmSync(second, { recursive: true });
  assert.equal(readFileSync(join(copies.current(), 'services'), 'utf8'), 'two', 'made again when it was removed');
});
