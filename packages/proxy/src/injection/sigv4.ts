// SPDX-License-Identifier: Apache-2.0
import { createHash, createHmac } from 'node:crypto';

/** Whose key signs, and for what. */
export interface SigningScope {
  readonly region: string;
  readonly service: string;
  readonly accessKey: string;
  readonly secretKey: Uint8Array;
}

/** A request as it goes out. `path` is percent-encoded; header names are in lower case, values as they go out. */
export interface SignableRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** SHA-256 of the body in hexadecimal, or what stands for it. */
  readonly payload: string;
}

/** What stands for the hash of a body that is not read first; S3 takes it, over TLS. */
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';
/** SHA-256 of nothing. */
export const EMPTY_PAYLOAD = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/**
 * The `Authorization` of AWS Signature Version 4 for a request at `milliseconds` since the epoch; every header given is signed, so
 * they must hold `host` and `x-amz-date`. Source: "Create a signed AWS API request" (AWS IAM user guide); its test suite is run here.
 */
export function authorizationOf(request: SignableRequest, scope: SigningScope, milliseconds: number): string {
  const time = amzDate(milliseconds);
  const credential = `${time.slice(0, 8)}/${scope.region}/${scope.service}/aws4_request`;
  const headers = canonicalHeaders(request.headers);
  const signed = headers.map(([name]) => name).join(';');
  const canonical = [
    request.method,
    canonicalPath(request.path, scope.service),
    canonicalQuery(request.query),
    ...headers.map(([name, value]) => `${name}:${value}`),
    '',
    signed,
    request.payload,
  ].join('\n');
  const text = ['AWS4-HMAC-SHA256', time, credential, createHash('sha256').update(canonical).digest('hex')].join('\n');
  const first = Buffer.concat([Buffer.from('AWS4'), scope.secretKey]);
  const key = [time.slice(0, 8), scope.region, scope.service, 'aws4_request'].reduce<Buffer>(
    (previous, part) => createHmac('sha256', previous).update(part).digest(),
    first,
  );
  first.fill(0);
  const signature = createHmac('sha256', key).update(text).digest('hex');
  key.fill(0);
  return `AWS4-HMAC-SHA256 Credential=${scope.accessKey}/${credential}, SignedHeaders=${signed}, Signature=${signature}`;
}

/** `20150830T123600Z`. */
export function amzDate(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}

/** Sorted by name; values of one name joined in their order, spaces in a row made one. */
function canonicalHeaders(headers: SignableRequest['headers']): readonly (readonly [string, string])[] {
  const joined = new Map<string, string>();
  for (const [name, value] of headers) {
    const trimmed = value.trim().replaceAll(/[ \t]+/g, ' ');
    const before = joined.get(name);
    joined.set(name, before === undefined ? trimmed : `${before},${trimmed}`);
  }
  return [...joined].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** S3 signs the path as it is meant; all others sign what goes out, escaped once more, without empty segments. */
function canonicalPath(path: string, service: string): string {
  const segments = path.split('/');
  if (service === 's3') return segments.map((segment) => escaped(decoded(segment))).join('/');
  const kept = segments.filter((segment, index) => segment !== '' || index === 0 || index === segments.length - 1);
  return kept.map(escaped).join('/');
}

function canonicalQuery(query: string): string {
  if (query === '') return '';
  const pairs = query.split('&').map((part) => {
    const mark = part.indexOf('=');
    const [name, value] = mark === -1 ? [part, ''] : [part.slice(0, mark), part.slice(mark + 1)];
    return [escaped(decoded(name)), escaped(decoded(value))] as const;
  });
  const order = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);
  return pairs
    .toSorted(([a, x], [b, y]) => order(a, b) || order(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/** The bytes behind the escapes, one character each. */
function decoded(text: string): string {
  return text.replaceAll(/%([0-9a-f]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Escapes all bytes but those that RFC 3986 calls unreserved. */
function escaped(bytes: string): string {
  return bytes.replaceAll(/[^A-Za-z0-9._~-]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}
