/**
 * What a hostile or broken client may send to the client port, against a real server process: mutations of valid requests
 * of every method, gRPC frames that lie, and raw HTTP/2 frames. Every call must end with a status that gRPC defines and
 * that is no defect, every connection must answer or close, the process must live, and a proper put and get must work.
 */

import { type ClientHttp2Session, connect as connectHttp2, type OutgoingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { PutResponse } from '../../src/gen/kindred/v1/kv.ts';
import {
  callHeaders,
  endHeaders,
  endStream,
  frame,
  frameTypes,
  grpcMessage,
  preface,
} from '../support/raw-http2.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { mutate } from './mutate.ts';
import { bytesOf, fuzzedPaths, validRequest } from './valid-requests.ts';

export interface FuzzTarget {
  readonly port: number;
  /** Resolves with what became of the process, when it ends. */
  readonly exited: Promise<number | string>;
}

export interface FuzzOptions {
  readonly cases: number;
  readonly seed: number;
  /** The number of the first case, to repeat one. Default 0. */
  readonly from?: number;
  /** Cases at once. */
  readonly concurrency?: number;
  readonly onProgress?: (done: number) => void;
}

export interface FuzzResult {
  readonly cases: number;
  /** How often each outcome came: `grpc 3`, `http 415`, `reset`, `raw closed`, `raw answered`. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** What must not be: with the number of the case, which repeats it under the same seed. */
  readonly problems: readonly string[];
}

/** An answer must have come after this. */
const answerWithinMs = 15_000;
/** Streams that the server ends only with the client (what is watched) are let go after this. */
const watchMs = 50;
const sessionCount = 8;
const problemsMax = 20;
const resourceExhausted = '8';
/** So often in a row a busy node may refuse a proper call. */
const refusalsMax = 100;
/** A proper put and get is made after this many cases. */
const checkEvery = 1_000;

export async function runFuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzResult> {
  return await new Fuzzer(target, options).run();
}

/** How a call ended. */
interface Ending {
  readonly httpStatus: number | undefined;
  readonly grpcStatus: string | undefined;
  readonly message: string;
  readonly firstMessage: Buffer | undefined;
  readonly how: 'ended' | 'reset' | 'silent' | 'let-go';
}

class Fuzzer {
  readonly #target: FuzzTarget;
  readonly #options: FuzzOptions;
  readonly #outcomes = new Map<string, number>();
  readonly #problems: string[] = [];
  readonly #sessions: (ClientHttp2Session | undefined)[] = [];
  readonly #contexts: Uint8Array[] = [];
  #next = 0;
  #done = 0;
  #exited: number | string | undefined;

  constructor(target: FuzzTarget, options: FuzzOptions) {
    this.#target = target;
    this.#options = options;
    void target.exited.then((code) => {
      this.#exited = code;
    });
  }

  async run(): Promise<FuzzResult> {
    const { cases, from = 0, concurrency = 64 } = this.#options;
    this.#next = from;
    const work = async (): Promise<void> => {
      while (this.#next < from + cases && this.#problems.length < problemsMax && this.#exited === undefined) {
        await this.#case(this.#next++);
        this.#done++;
        if (this.#done % checkEvery === 0) {
          this.#options.onProgress?.(this.#done);
          await this.#properCalls();
        }
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    await this.#properCalls();
    if (this.#exited !== undefined) this.#problem('the end', `the process has ended: ${this.#exited}`);
    for (const session of this.#sessions) session?.destroy();
    return { cases: this.#done, outcomes: this.#outcomes, problems: this.#problems };
  }

  async #case(index: number): Promise<void> {
    const random = new SeededRandom(this.#options.seed * 1_000_003 + index);
    const kind = random.below(100);
    if (kind < 75) await this.#mutatedRequest(index, random);
    else if (kind < 92) await this.#lyingFrame(index, random);
    else await this.#rawFrames(index, random);
  }

  // ---- protobuf ------------------------------------------------------------------------------

  async #mutatedRequest(index: number, random: SeededRandom): Promise<void> {
    const { path, message, isStream } = validRequest(random, this.#contexts);
    const bytes = random.percent(95) ? mutate(message, random) : message;
    const copies = isStream ? random.between(1, 3) : 1;
    const body = Buffer.concat(Array.from({ length: copies }, () => grpcMessage(bytes)));
    const ending = await this.#call({ ':path': path }, [body], path);
    this.#judge(index, path, ending, { mayReset: false });
    if (ending.grpcStatus === '0' && path.endsWith('/Put') && ending.firstMessage !== undefined) {
      this.#keepContext(ending.firstMessage);
    }
  }

  /** Tokens of real answers get further into the server than random bytes do. */
  #keepContext(message: Buffer): void {
    const { context } = PutResponse.decode(message);
    if (this.#contexts.length < 100) this.#contexts.push(new Uint8Array(context));
  }

  // ---- gRPC frames and headers ---------------------------------------------------------------

  async #lyingFrame(index: number, random: SeededRandom): Promise<void> {
    const { path, message } = validRequest(random, this.#contexts);
    const headers: OutgoingHttpHeaders = { ':path': path };
    const chunks: Buffer[] = [];
    const frames = random.between(0, 3);
    for (let i = 0; i < frames; i++) {
      const flag = random.pick([0, 0, 0, 1, 2, 255]);
      const length = random.pick([
        message.length,
        message.length,
        0,
        message.length + 1,
        Math.max(0, message.length - 1),
        0xffffffff,
        0x7fffffff,
        random.below(100_000),
      ]);
      chunks.push(grpcMessage(random.percent(20) ? gzipSync(message) : message, flag, length));
    }
    if (random.percent(20)) chunks.push(Buffer.from(bytesOf(random, random.below(20))));
    if (random.percent(40))
      headers['grpc-encoding'] = random.pick(['gzip', 'deflate', 'identity', 'nonsense', '']);
    if (random.percent(40)) {
      headers['grpc-timeout'] = random.pick([
        '1S',
        '0n',
        '1n',
        '-1S',
        'abc',
        '',
        '99999999H',
        '2147484S',
        '1m',
        '5000u',
        '10S',
      ]);
    }
    if (random.percent(20))
      headers['content-type'] = random.pick(['text/plain', 'application/grpc+json', 'application/grpc', '']);
    if (random.percent(10))
      headers[':path'] = random.pick([
        '/',
        '//',
        '/kindred.v1.KeyValueService/',
        '/a/b',
        '*',
        '/kindred.peer.v1.PeerService/Data',
        `/${'x'.repeat(5000)}`,
      ]);
    if (random.percent(10)) headers['x-pad'] = 'p'.repeat(random.pick([8000, 8200, 20_000]));
    if (random.percent(10)) headers['some-bin'] = random.pick(['!!!!', '====', 'AA', 'A']);
    if (random.percent(10))
      headers['grpc-previous-rpc-attempts'] = random.pick(['1', '-1', 'x', '99999999999999']);
    const ending = await this.#call(headers, splitUp(Buffer.concat(chunks), random), path);
    // A path without a slash in front is an error of HTTP/2 already.
    const mayReset = headers[':path'] === '*';
    this.#judge(index, `${path} with a frame that lies`, ending, { mayReset });
  }

  // ---- raw HTTP/2 ----------------------------------------------------------------------------

  async #rawFrames(index: number, random: SeededRandom): Promise<void> {
    const parts: Buffer[] = [];
    if (random.percent(95)) parts.push(preface);
    else parts.push(Buffer.from(bytesOf(random, 24)));
    if (random.percent(90)) parts.push(frame(frameTypes.settings, 0, 0, Buffer.alloc(0)));
    let streamId = 1;
    for (let count = random.between(1, 12); count > 0; count--) {
      const id = random.percent(80) ? streamId : random.pick([0, 2, 1, 0x7fffffff, streamId + 100]);
      parts.push(rawFrame(id, random, this.#contexts));
      if (random.percent(50)) streamId += 2;
    }
    const ping = Buffer.from('answerme');
    parts.push(frame(frameTypes.ping, 0, 0, ping));
    let bytes = Buffer.concat(parts);
    if (random.percent(20)) bytes = Buffer.from(mutate(bytes, random));
    const how = await this.#rawConnection(bytes, ping);
    this.#count(`raw ${how}`);
    if (how === 'silent')
      this.#problem(`case ${index}`, 'a connection neither answered its ping nor was closed');
  }

  #rawConnection(bytes: Buffer, ping: Buffer): Promise<'answered' | 'closed' | 'cut-off' | 'silent'> {
    return new Promise((resolve) => {
      const socket = connect(this.#target.port, '127.0.0.1');
      let received = Buffer.alloc(0);
      let halfClosed = false;
      const end = (how: 'answered' | 'closed' | 'cut-off' | 'silent'): void => {
        clearTimeout(late);
        clearTimeout(waiting);
        socket.destroy();
        resolve(how);
      };
      // What was sent may be the beginning of a frame: the server then waits for the rest, and so it should. Ending our half
      // tells it that there is none.
      const waiting = setTimeout(() => {
        halfClosed = true;
        socket.end();
      }, 200);
      const late = setTimeout(() => end('silent'), answerWithinMs);
      socket.on('error', () => end('closed'));
      socket.on('close', () => end(halfClosed ? 'cut-off' : 'closed'));
      socket.on('data', (data) => {
        received = Buffer.concat([received.subarray(-64), data]);
        if (received.includes(ping)) end('answered');
      });
      socket.write(bytes);
    });
  }

  // ---- calls ---------------------------------------------------------------------------------

  /** A put that is right, and a get that finds it, on a connection of their own. */
  async #properCalls(): Promise<void> {
    const request = Buffer.from([10, 8, 18, 6, ...Buffer.from('proper')]);
    const put = Buffer.concat([request, Buffer.from([18, 3, 10, 1, 120])]);
    for (const [method, body] of [
      ['Put', put],
      ['Get', request],
    ] as const) {
      const path = `/kindred.v1.KeyValueService/${method}`;
      let ending = await this.#call({ ':path': path }, [grpcMessage(body)], path);
      // A node that is kept busy may say so, and then take it.
      for (let again = 0; ending.grpcStatus === resourceExhausted && again < refusalsMax; again++) {
        ending = await this.#call({ ':path': path }, [grpcMessage(body)], path);
      }
      if (ending.grpcStatus !== '0') {
        this.#problem(`after ${this.#done} cases`, `a proper ${method} fails: ${JSON.stringify(ending)}`);
      }
    }
  }

  #session(): ClientHttp2Session {
    const slot = this.#next % sessionCount;
    const open = this.#sessions[slot];
    if (open !== undefined && !open.closed && !open.destroyed) return open;
    const session = connectHttp2(`http://127.0.0.1:${this.#target.port}`);
    // Its streams say what became of them.
    session.on('error', () => {});
    this.#sessions[slot] = session;
    return session;
  }

  #call(headers: OutgoingHttpHeaders, chunks: readonly Buffer[], path: string): Promise<Ending> {
    return new Promise((resolve) => {
      let httpStatus: number | undefined;
      let grpcStatus: string | undefined;
      let message = '';
      let received = Buffer.alloc(0);
      let how: Ending['how'] = 'ended';
      const stream = this.#session().request({
        ':method': 'POST',
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      const late = setTimeout(() => {
        how = 'silent';
        stream.close();
      }, answerWithinMs);
      const take = (fields: Record<string, unknown>): void => {
        if (fields[':status'] !== undefined) httpStatus = Number(fields[':status']);
        if (fields['grpc-status'] === undefined) return;
        grpcStatus = String(fields['grpc-status']);
        message = decodeURI(String(fields['grpc-message'] ?? ''));
      };
      stream.on('response', (fields) => {
        take(fields);
        if (!/\/Watch\w*$/.test(path)) return;
        setTimeout(() => {
          if (grpcStatus === undefined) how = 'let-go';
          stream.close();
        }, watchMs);
      });
      stream.on('trailers', take);
      stream.on('data', (data: Buffer) => {
        if (received.length < 10_000) received = Buffer.concat([received, data]);
      });
      stream.on('error', () => {
        if (how === 'ended') how = 'reset';
      });
      stream.on('close', () => {
        clearTimeout(late);
        if (how === 'ended' && grpcStatus === undefined && httpStatus === undefined) how = 'reset';
        const length = received.length >= 5 ? received.readUInt32BE(1) : -1;
        const firstMessage =
          length >= 0 && received.length >= 5 + length ? received.subarray(5, 5 + length) : undefined;
        resolve({ httpStatus, grpcStatus, message, firstMessage, how });
      });
      for (const chunk of chunks) stream.write(chunk);
      stream.end();
    });
  }

  #judge(index: number, what: string, ending: Ending, rules: { readonly mayReset: boolean }): void {
    const { how, grpcStatus, httpStatus, message } = ending;
    const at = `case ${index} (${what})`;
    if (how === 'silent') this.#problem(at, `no answer within ${answerWithinMs} ms`);
    else if (how === 'let-go') this.#count('watching');
    else if (grpcStatus !== undefined) {
      this.#count(`grpc ${grpcStatus}`);
      const code = Number(grpcStatus);
      if (!Number.isInteger(code) || code < 0 || code > 16)
        this.#problem(at, `status ${grpcStatus} is not defined`);
      else if (code === 2) this.#problem(at, `UNKNOWN: ${message}`);
      else if (message.startsWith('internal error')) this.#problem(at, `a defect: ${message}`);
      else if (code !== 0 && message === '') this.#problem(at, `status ${grpcStatus} without a message`);
    } else if (httpStatus !== undefined && httpStatus !== 200) this.#count(`http ${httpStatus}`);
    else if (how === 'reset' && (rules.mayReset || this.#exited === undefined)) {
      this.#count('reset');
      if (!rules.mayReset) this.#problem(at, 'the stream was reset without a status');
    } else this.#problem(at, `ended without a status: ${JSON.stringify(ending)}`);
  }

  #count(outcome: string): void {
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
  }

  #problem(at: string, text: string): void {
    if (this.#problems.length < problemsMax)
      this.#problems.push(`seed ${this.#options.seed}, ${at}: ${text}`);
  }
}

function splitUp(bytes: Buffer, random: SeededRandom): Buffer[] {
  const chunks: Buffer[] = [];
  let from = 0;
  while (from < bytes.length) {
    const to = from + random.between(1, Math.max(1, bytes.length));
    chunks.push(bytes.subarray(from, to));
    from = to;
  }
  return chunks;
}

function rawFrame(streamId: number, random: SeededRandom, contexts: readonly Uint8Array[]): Buffer {
  const path = random.pick(fuzzedPaths);
  switch (random.below(14)) {
    case 0:
    case 1:
    case 2:
      return frame(
        frameTypes.headers,
        endHeaders | (random.percent(20) ? endStream : 0),
        streamId,
        callHeaders(path),
      );
    case 3:
    case 4: {
      const { message } = validRequest(random, contexts);
      return frame(
        frameTypes.data,
        random.percent(60) ? endStream : 0,
        streamId,
        grpcMessage(mutate(message, random)),
      );
    }
    case 5:
      return frame(frameTypes.reset, 0, streamId, Buffer.from([0, 0, 0, random.below(16)]));
    case 6:
      return frame(frameTypes.headers, endHeaders, streamId, bytesOf(random, random.below(200)));
    case 7:
      // Never ended by END_HEADERS, perhaps.
      return Buffer.concat([
        frame(frameTypes.headers, 0, streamId, callHeaders(path).subarray(0, 10)),
        ...Array.from({ length: random.below(20) }, () =>
          frame(frameTypes.continuation, random.percent(10) ? endHeaders : 0, streamId, bytesOf(random, 30)),
        ),
      ]);
    case 8:
      return frame(frameTypes.settings, 0, 0, settings(random));
    case 9:
      return frame(
        frameTypes.windowUpdate,
        0,
        random.percent(50) ? 0 : streamId,
        Buffer.from([random.below(128), 255, 255, random.below(256)]),
      );
    case 10:
      return Buffer.concat(
        Array.from({ length: random.between(1, 100) }, () =>
          frame(frameTypes.ping, 0, 0, bytesOf(random, 8)),
        ),
      );
    case 11:
      return frame(frameTypes.priority, 0, streamId, bytesOf(random, 5));
    case 12:
      return frame(
        random.below(256),
        random.below(256),
        streamId,
        bytesOf(random, random.below(60)),
        random.percent(80) ? undefined : random.below(0x1000000),
      );
    default:
      return frame(frameTypes.goaway, 0, 0, bytesOf(random, random.between(0, 20)));
  }
}

function settings(random: SeededRandom): Buffer {
  const payload = Buffer.alloc(6 * random.below(6) + (random.percent(10) ? 3 : 0));
  for (let at = 0; at + 6 <= payload.length; at += 6) {
    payload.writeUInt16BE(random.between(0, 9), at);
    payload.writeUInt32BE(random.pick([0, 1, 65_535, 0x7fffffff, 0xffffffff, random.next()]), at + 2);
  }
  return payload;
}
