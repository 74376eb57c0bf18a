// SPDX-License-Identifier: Apache-2.0
// Test 29 and defect 1: no spelling of a path passes the rule of another path. nginx reads each one as well: what it makes of the bytes
// is the control, and the judge of what our proxy lets through.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Nginx } from './nginx.testing.ts';
import { codeOf, exchange, oneRequest, statuses } from './raw-client.testing.ts';
import { KEY, RealProxy } from '@bureau/testkit/proxy';
import { PATH_CORPUS, madePaths } from './path-corpus.testing.ts';

let proxy: RealProxy;
let nginx: Nginx;
before(async () => {
  nginx = await Nginx.start();
  proxy = await RealProxy.start();
  const inject = [{ secret: 'API_KEY', header: 'X-Api-Key' }];
  const ruled = { url: nginx.url, inject, methods: ['GET'], paths: ['/ok/**'] };
  const narrow = { ...ruled, paths: ['/ok/*'] };
  await proxy.configure({
    upstreams: { ruled, narrow, free: { url: nginx.url, inject } },
    header: { limits: { requests_burst: 100_000 } },
  });
});
after(async () => {
  await proxy[Symbol.asyncDispose]();
  await nginx[Symbol.asyncDispose]();
});

for (const path of PATH_CORPUS) {
  describe(path, () => {
    test(`attack: ${path} (test 29)`, async () => {
      const before = nginx.requests;
      for (const service of ['ruled', 'narrow']) {
        const read = await exchange(proxy.agentPath, oneRequest('GET', `/v1/http/${service}${path}`));
        assert.match(String(statuses(read)), /^40[03]$/, read);
        assert.match(codeOf(read) ?? '', /^(upstream_path_ambiguous|upstream_rule_refused|invalid_target|invalid_http)$/);
        assert.ok(!read.includes('SECRET'));
      }
      assert.equal(nginx.requests, before);
    });
  });
}

test('control: nginx itself gives the secret for many of these bytes, so the rule is what stands before it', async () => {
  const given = await Promise.all(PATH_CORPUS.map(async (path) => (await nginx.read(path)).secret));
  assert.ok(given.filter(Boolean).length >= PATH_CORPUS.length / 3, `${given.filter(Boolean).length} of ${PATH_CORPUS.length}`);
});

test('control: an honest path passes, with the key', async () => {
  assert.match(await exchange(proxy.agentPath, oneRequest('GET', '/v1/http/ruled/ok/page?x=/../secret')), /uri=\/ok\/page /);
  await nginx.read('/behind');
  assert.ok(nginx.log.includes(KEY));
});

test('attack: 4,000 made paths: what passes the rule is below it for nginx and for WHATWG URL as well', async () => {
  let passed = 0;
  let leaks = 0;
  for (const path of madePaths(4_000)) {
    const own = await nginx.read(path);
    const read = await exchange(proxy.agentPath, oneRequest('GET', `/v1/http/ruled${path}`));
    const [status] = statuses(read);
    if (own.status === 200 && !own.uri.startsWith('/ok/')) leaks += 1;
    if (status === 400 || status === 403) continue;
    passed += 1;
    assert.match(read, /uri=\/ok\//, `${path}: nginx read another place: ${read}`);
    assert.ok(new URL(path, 'http://x').pathname.startsWith('/ok/'), `${path}: WHATWG URL reads ${new URL(path, 'http://x').pathname}`);
    assert.ok(decodedUntilStill(new URL(path, 'http://x').pathname).startsWith('/ok/'), path);
  }
  assert.ok(passed > 100, `only ${passed} passed: nothing was compared`);
  assert.ok(leaks > 100, `only ${leaks} led elsewhere without the rule: nothing was attacked`);
});

test('attack: without a rule the bytes go out as they came, or not at all (defect 2)', async () => {
  for (const path of madePaths(500)) {
    const read = await exchange(proxy.agentPath, oneRequest('GET', `/v1/http/free${path}`));
    if (!statuses(read).some((status) => status === 200)) continue;
    assert.ok(read.includes(`raw=${path} `), `${path} went out otherwise: ${read}`);
  }
});

test('attack: methods besides the listed ones, in any case', async () => {
  await nginx.read('/behind');
  const before = nginx.requests;
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'get', 'Get', 'PROPFIND', 'PURGE']) {
    const read = await exchange(proxy.agentPath, oneRequest(method, '/v1/http/ruled/ok/page'));
    assert.match(String(statuses(read)), /^40[03]$/, method);
  }
  for (const line of ['X-HTTP-Method-Override: DELETE']) {
    const read = await exchange(proxy.agentPath, oneRequest('POST', '/v1/http/ruled/ok/page', [line]));
    assert.deepEqual(statuses(read), [403]);
  }
  assert.equal(nginx.requests, before);
});

/** What a reader that decodes again and again ends with. */
function decodedUntilStill(path: string): string {
  const next = path.replace(/%([0-9a-f]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return next === path ? new URL(path.replaceAll('\\', '/'), 'http://x').pathname : decodedUntilStill(next);
}
