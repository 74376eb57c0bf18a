// SPDX-License-Identifier: Apache-2.0

/** Every bound of one proxy. Times in milliseconds. A principal can only ever exhaust its own proxy. */
export interface ProxyLimits {
  /** Bytes of a request's body: a Matrix event is at most 64 KiB, JSON escapes can make four of one. */
  readonly requestBodyBytes: number;
  /** Bytes of a request's line and headers together: Node's own default, ample for every client seen. */
  readonly requestHeadBytes: number;
  /** Header lines of a request; vendor SDKs send about 20. */
  readonly requestHeaders: number;
  /** Connections open at once, idle ones included; more are closed on accept. 10,000 idle ones were measured. */
  readonly connections: number;
  /** Requests worked on at once, tunnels not counted: with the body bound this is the most memory that bodies take (32 MiB). */
  readonly concurrentRequests: number;
  /** Requests each second on average, tunnels included: many times what agents were seen to make, and no strain on the machine. */
  readonly requestsPerSecond: number;
  /** Requests at once above that average: a package manager asks for hundreds. */
  readonly requestsBurst: number;
  /** Bytes each second on average, of bodies and tunnels in both directions; above it new requests wait, running ones go on. */
  readonly trafficBytesPerSecond: number;
  /** Bytes at once above that average: an image, a model's weights. */
  readonly trafficBurstBytes: number;
  /** Tunnels (CONNECT) open at once; each has two descriptors and up to two socket buffers. */
  readonly tunnels: number;
  /** Bytes of one tunnel, both directions together, before it is closed: none is endless. */
  readonly tunnelBytes: number;
  /** A tunnel or a forwarded answer on which nothing moves: longer than the longest thinking of a model that was seen. */
  readonly tunnelIdleMilliseconds: number;
  /** Until a tunnel's client has said which host its TLS means. */
  readonly clientHelloMilliseconds: number;
  /** Bytes of a ClientHello, post-quantum keys included (1,800 are usual). */
  readonly clientHelloBytes: number;
  /** Names looked up at once: a look-up cannot be called back, and the resolver has four threads. */
  readonly lookups: number;
  /** Until a name's addresses are known. */
  readonly lookupMilliseconds: number;
  /** Addresses of one name that are tried. */
  readonly addressesTried: number;
  /** Until the head of a forwarded answer is here: a model may think that long before its first byte. */
  readonly forwardAnswerMilliseconds: number;
  /** Interim answers (1xx) of a forwarded request; more are an attack. */
  readonly interimAnswers: number;
  /** Bytes of one file of the access log; eight of them are kept: some 300,000 requests. */
  readonly accessFileBytes: number;
  /** How long a line of the access log may wait for others: the most that a `kill -9` loses. */
  readonly accessBatchMilliseconds: number;
  /** Bytes of lines that wait. */
  readonly accessBatchBytes: number;
  /** Calls of people that were announced and have not come. */
  readonly announcedCalls: number;
  /** How long an announced call is waited for. */
  readonly announcedMilliseconds: number;
  /** Different label values of one metric; what comes after them is counted as `other`. */
  readonly metricSeries: number;
  /**
   * Requests on one connection that wait for the answer to one before them. One read of 64 KiB can hold 1,700 small ones: without this
   * bound, fifty connections that never read made a proxy grow by 400 MB.
   */
  readonly pipelinedRequests: number;
  /** Requests on one connection before it is closed, so that no connection lives for ever. */
  readonly requestsPerConnection: number;
  /** Until a request's head is complete (slowloris). */
  readonly headMilliseconds: number;
  /** Until a whole request has arrived, body included (slow bodies). */
  readonly requestMilliseconds: number;
  /** How often Node looks for requests past the two limits above. */
  readonly sweepMilliseconds: number;
  /** A kept connection without a request. */
  readonly idleMilliseconds: number;
  /** A connection on which nothing moves at all while a request is open: a client that never reads. Above every upstream deadline. */
  readonly stalledMilliseconds: number;
  /** Connections to one upstream; further requests wait for one under their own deadline. */
  readonly upstreamConnections: number;
  /** Until a connection to an upstream stands, TLS included. */
  readonly upstreamConnectMilliseconds: number;
  /** From the start of a call until its whole answer is here; a homeserver that was stopped for half a minute is late. */
  readonly upstreamAnswerMilliseconds: number;
  /** Connections to one upstream that agents call directly: as many as requests at once, since each stream holds one. */
  readonly serviceConnections: number;
  /** Until the head of an answer to an agent's own call: models think for minutes before their first byte. */
  readonly serviceHeadersMilliseconds: number;
  /** Bytes of a body that is read whole because its upstream wants it signed; S3 over TLS does not. */
  readonly signedBodyBytes: number;
  /** Bytes of an upstream's response head. */
  readonly upstreamHeadBytes: number;
  /** Bytes of an upstream's JSON answer: the members of a room of a few thousand fit. */
  readonly upstreamBodyBytes: number;
  /** Connections of an agent's long polls to its homeserver: one stream, and a few beside it. */
  readonly pollConnections: number;
  /** Until a long poll's whole answer is here: above `syncMilliseconds`, since the homeserver answers when that is over. */
  readonly pollMilliseconds: number;
  /** Bytes of a long poll's answer: a first sync holds the state of every room. */
  readonly pollBodyBytes: number;
  /** How long a homeserver is asked to wait for something new. */
  readonly syncMilliseconds: number;
  /** Between two tries of a stream of events whose homeserver does not answer: first, and at most. */
  readonly streamRetryMilliseconds: number;
  readonly streamRetryMostMilliseconds: number;
  /** Sends that wait for one room, the one under way included. */
  readonly roomQueue: number;
  /** How long a send waits in all when the homeserver asks for pauses; below what clients wait for an answer. */
  readonly roomQueueMilliseconds: number;
  /** Events of response interceptors that wait to be sent; more are dropped. At most `messageBytes` each. */
  readonly responseEvents: number;
  /** Bytes of an answer's body that a response interceptor reads; as many calls as `concurrentRequests` may hold so much. */
  readonly responseEventBodyBytes: number;
  /** Rooms whose name and alias are fetched for one list. */
  readonly roomDetails: number;
  /** Events or members of one page. */
  readonly pageEvents: number;
  /** Aliases remembered. */
  readonly aliasEntries: number;
  /** How long an alias may be remembered: as long as a moved room may be missed. */
  readonly aliasMilliseconds: number;
  /** Bytes of a message's content as JSON: homeservers refuse events above 65,536 bytes with their envelope (60,000 measured to pass). */
  readonly messageBytes: number;
  /** Bytes of a homeserver's reason that are passed on to the agent. */
  readonly reasonCharacters: number;
  /** Secrets in one bundle: as many as 16 upstreams with 4 each would need. */
  readonly secrets: number;
  /** Between two comments on a stream of events: below what clients and middle boxes take for a dead connection. */
  readonly heartbeatMilliseconds: number;
  /** After SIGTERM, until requests that still run are cut. */
  readonly shutdownMilliseconds: number;
}

/** The limits of a proxy in production. */
export const PROXY_LIMITS: ProxyLimits = {
  requestBodyBytes: 256 * 1024,
  requestHeadBytes: 16 * 1024,
  requestHeaders: 100,
  connections: 12_000,
  concurrentRequests: 128,
  requestsPerSecond: 2_000,
  requestsBurst: 4_000,
  trafficBytesPerSecond: 64 * 1024 * 1024,
  trafficBurstBytes: 16 * 1024 * 1024 * 1024,
  tunnels: 256,
  tunnelBytes: 64 * 1024 * 1024 * 1024,
  tunnelIdleMilliseconds: 900_000,
  clientHelloMilliseconds: 10_000,
  clientHelloBytes: 16_384,
  lookups: 16,
  lookupMilliseconds: 10_000,
  addressesTried: 4,
  forwardAnswerMilliseconds: 900_000,
  interimAnswers: 16,
  accessFileBytes: 8 * 1024 * 1024,
  accessBatchMilliseconds: 50,
  accessBatchBytes: 64 * 1024,
  announcedCalls: 64,
  announcedMilliseconds: 60_000,
  metricSeries: 1_000,
  pipelinedRequests: 8,
  requestsPerConnection: 100_000,
  headMilliseconds: 10_000,
  requestMilliseconds: 30_000,
  sweepMilliseconds: 1_000,
  idleMilliseconds: 75_000,
  stalledMilliseconds: 120_000,
  upstreamConnections: 32,
  upstreamConnectMilliseconds: 5_000,
  upstreamAnswerMilliseconds: 30_000,
  serviceConnections: 128,
  serviceHeadersMilliseconds: 600_000,
  signedBodyBytes: 16 * 1024 * 1024,
  upstreamHeadBytes: 16 * 1024,
  upstreamBodyBytes: 4 * 1024 * 1024,
  pollConnections: 4,
  pollMilliseconds: 60_000,
  pollBodyBytes: 16 * 1024 * 1024,
  syncMilliseconds: 30_000,
  streamRetryMilliseconds: 1_000,
  streamRetryMostMilliseconds: 30_000,
  roomQueue: 64,
  roomQueueMilliseconds: 25_000,
  responseEvents: 64,
  responseEventBodyBytes: 64 * 1024,
  roomDetails: 100,
  pageEvents: 250,
  aliasEntries: 256,
  aliasMilliseconds: 60_000,
  messageBytes: 60_000,
  reasonCharacters: 300,
  secrets: 64,
  heartbeatMilliseconds: 15_000,
  shutdownMilliseconds: 5_000,
};
