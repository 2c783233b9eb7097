/**
 * The sending side of a stream of answers: one message at a time is given to grpc-js, the others wait here.
 *
 * grpc-js ends a call by itself at the client's deadline, and when the client's next message is malformed. What it still
 * holds, or is given later, is then written after the end, which destroys the HTTP/2 stream without a word: no status, no
 * reset. So every message is handed over only when the stream can take it.
 */

import type { StatusObject } from '@grpc/grpc-js';

/** What an outlet needs of grpc-js's streams. */
export interface MessageSink {
  readonly cancelled: boolean;
  write(message: Uint8Array, written: (error?: Error | null) => void): boolean;
  end(): void;
  emit(event: 'error', status: StatusObject): boolean;
}

export interface OutletDependencies {
  /** True once grpc-js has ended the call by itself. */
  readonly hasEnded: () => boolean;
  /** Called when what waited has been sent, after a `send` that returned false. */
  readonly drained: () => void;
  /** The bytes of messages that exist and that the client has not taken. */
  readonly hold: (bytes: number) => void;
  readonly release: (bytes: number) => void;
}

/** Messages that may wait before the sender is asked to stop. */
const waitingMax = 16;
/** Bytes of messages, the one being written included, that the sender is asked to stop at. */
const heldBytesMax = 1024 * 1024;

export class Outlet {
  readonly #sink: MessageSink;
  readonly #dependencies: OutletDependencies;
  #waiting: Uint8Array[] = [];
  #heldBytes = 0;
  #writingBytes = 0;
  #writing = false;
  #full = false;
  #ending: { readonly status: StatusObject | undefined } | undefined;
  #closed = false;

  constructor(sink: MessageSink, dependencies: OutletDependencies) {
    this.#sink = sink;
    this.#dependencies = dependencies;
  }

  /** Sends one message. False: stop until `drained`. After the end, and for a client that is gone, it is dropped. */
  send(message: Uint8Array): boolean {
    if (this.#ending !== undefined || this.#isOver()) return true;
    this.#waiting.push(message);
    this.#heldBytes += message.length;
    this.#dependencies.hold(message.length);
    this.#flush();
    if (this.#waiting.length >= waitingMax || this.#heldBytes >= heldBytesMax) this.#full = true;
    return !this.#full;
  }

  /** Bytes that the client has not taken. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Ends the call after all that was sent. The first end counts. */
  end(status: StatusObject | undefined): void {
    if (this.#ending !== undefined) return;
    this.#ending = { status };
    this.#flush();
  }

  /** Nothing can be sent any more. */
  close(): void {
    this.#closed = true;
    this.#drop();
  }

  /** Nothing that was sent will be taken any more. */
  #drop(): void {
    this.#waiting = [];
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    this.#writingBytes = 0;
    if (bytes > 0) this.#dependencies.release(bytes);
  }

  #isOver(): boolean {
    return this.#closed || this.#sink.cancelled;
  }

  #flush(): void {
    while (!this.#writing && this.#waiting.length > 0) {
      if (this.#isOver() || this.#dependencies.hasEnded()) {
        this.#drop();
        break;
      }
      this.#writing = true;
      const message = this.#waiting.shift() as Uint8Array;
      this.#writingBytes = message.length;
      this.#sink.write(message, () => {
        this.#writing = false;
        // Zero when the call is over: then all has been released.
        const bytes = this.#writingBytes;
        this.#writingBytes = 0;
        this.#heldBytes -= bytes;
        if (bytes > 0) this.#dependencies.release(bytes);
        this.#flush();
      });
    }
    if (this.#writing || this.#waiting.length > 0) return;
    const { status } = this.#ending ?? {};
    if (this.#ending !== undefined && !this.#closed) {
      this.#closed = true;
      if (this.#sink.cancelled) return;
      if (status === undefined) this.#sink.end();
      else this.#sink.emit('error', status);
    } else if (this.#full) {
      this.#full = false;
      this.#dependencies.drained();
    }
  }
}
