/** A lane to Redis: SET and GET in RESP, pipelined as Redis means it; answers come in the order of the commands. */

import { connect, type Socket } from 'node:net';
import { type Done, type Lane, nothingFound } from './lane.ts';
import type { LoadJob } from './load-job.ts';
import { keyPlaceholder, RequestTemplate } from './request-template.ts';
import { randomValue } from './requests.ts';

const inFlightMax = 100_000;
const carriageReturn = 13;
const simple = '+'.charCodeAt(0);
const bulk = '$'.charCodeAt(0);

export async function openRedisLane(endpoint: string, job: LoadJob): Promise<Lane> {
  const [host = '', port] = endpoint.split(':');
  const socket = connect(Number(port), host);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  socket.setNoDelay(true);
  const { valueBytes } = job;
  const value = randomValue(valueBytes);
  const command = (...parts: readonly Uint8Array[]): Uint8Array =>
    Buffer.concat([
      Buffer.from(`*${parts.length}\r\n`),
      ...parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from('\r\n')]),
    ]);
  const key = Buffer.from(keyPlaceholder);
  const read = new RequestTemplate({ path: '', message: command(Buffer.from('GET'), key) }, { valueBytes });
  const write = new RequestTemplate(
    { path: '', message: command(Buffer.from('SET'), key, value) },
    { valueBytes, value },
  );
  return new RedisLane(socket, { read, write });
}

class RedisLane implements Lane {
  readonly #socket: Socket;
  readonly #templates: { readonly read: RequestTemplate; readonly write: RequestTemplate };
  /** A queue: answers take from `#first` on. */
  #waiting: Done[] = [];
  #first = 0;
  #corked = false;
  #rest: Buffer | undefined;
  #ended = false;

  constructor(
    socket: Socket,
    templates: { readonly read: RequestTemplate; readonly write: RequestTemplate },
  ) {
    this.#socket = socket;
    this.#templates = templates;
    socket.on('data', (chunk) => this.#data(chunk));
    socket.on('error', (error) => this.#end(error.message));
    socket.on('close', () => this.#end('connection closed'));
  }

  get free(): number {
    return this.#ended ? 0 : inFlightMax - (this.#waiting.length - this.#first);
  }

  send(kind: Parameters<Lane['send']>[0], key: number, done: Done): void {
    if (kind !== 'readModifyWrite') {
      this.#command(kind === 'read' ? this.#templates.read : this.#templates.write, key, done);
      return;
    }
    this.#command(this.#templates.read, key, (failure) => {
      if (failure === undefined) this.#command(this.#templates.write, key, done);
      else done(failure);
    });
  }

  stopReading(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
  }

  #command(template: RequestTemplate, key: number, done: Done): void {
    const bytes = Buffer.allocUnsafe(template.bytes);
    template.write(bytes, 0, key);
    this.#waiting.push(done);
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      setImmediate(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(bytes);
  }

  #data(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      const lineEnd = bytes.indexOf(carriageReturn, at);
      if (lineEnd === -1 || lineEnd + 2 > bytes.length) break;
      let failure: string | undefined;
      let end = lineEnd + 2;
      const type = bytes[at];
      if (type === bulk) {
        const length = Number(bytes.toString('latin1', at + 1, lineEnd));
        if (length < 0) failure = nothingFound;
        else end += length + 2;
        if (end > bytes.length) break;
      } else if (type !== simple) failure = bytes.toString('latin1', at, lineEnd);
      at = end;
      this.#answered(failure);
    }
    this.#rest = at === bytes.length ? undefined : bytes.subarray(at);
  }

  #answered(failure: string | undefined): void {
    const done = this.#waiting[this.#first++];
    if (this.#first > 10_000) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
    done?.(failure);
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const done of this.#waiting.slice(this.#first)) done(why);
  }
}
