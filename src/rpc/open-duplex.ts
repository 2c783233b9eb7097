/** A call with a stream both ways behind the door: a pipeline, or reflection. */

import type { ServerDuplexStream, StatusObject } from '@grpc/grpc-js';
import { isFailure } from '../core/coordinator/failure.ts';
import type { ItemStatus } from '../gen/kindred/v1/types.ts';
import type { Door, DoorMethod, EndedByDraining, Waiting } from './door.ts';
import type { Outlet } from './outlet.ts';
import type { DuplexCall, DuplexListener } from './service.ts';
import { grpcStatusOf } from './status.ts';
import { GrpcCallHead } from './unary-exchange.ts';

// biome-ignore lint/suspicious/noExplicitAny: the message types are those of the handler, checked by `service`
export class OpenDuplex implements DuplexCall<any, any>, EndedByDraining, Waiting {
  readonly method: string;
  readonly arrivedMs: number;
  readonly requestBytes = 0;
  deadlineMs = 0;
  isRetry = false;
  readonly #door: Door;
  readonly #method: DoorMethod;
  readonly #handler: (call: never) => void;
  readonly #call: ServerDuplexStream<Buffer, Buffer>;
  readonly #head: GrpcCallHead;
  readonly #outlet: Outlet;
  #listener: DuplexListener<unknown> | undefined;
  /** A message has come. */
  #delivered = false;
  #ended = false;

  constructor(
    door: Door,
    method: DoorMethod,
    handler: (call: never) => void,
    call: ServerDuplexStream<Buffer, Buffer>,
  ) {
    this.#door = door;
    this.#method = method;
    this.#handler = handler;
    this.#call = call;
    this.#head = new GrpcCallHead(call);
    this.#outlet = door.outlet(call, () => this.#listener?.drained());
    this.method = method.name;
    this.arrivedMs = door.clock.monotonicMs();
  }

  get cancelled(): boolean {
    return this.#call.cancelled;
  }

  get connection(): object {
    return this.#head.connection;
  }

  run(): void {
    const call = this.#call;
    if (call.cancelled) return;
    const door = this.#door;
    const refusal = door.refusal(this.#method, this.#head);
    if (refusal !== undefined) {
      call.emit('error', door.refuse(this.#method, refusal, this.#head));
      return;
    }
    this.deadlineMs = door.giveUpMs(this.#head, this.arrivedMs, true);
    this.isRetry = this.#head.isRetry();
    door.opened(this);
    call.on('cancelled', () => {
      door.closed(this);
      this.#ended = true;
      this.#outlet.close();
      this.#listener?.cancelled();
    });
    this.#handler(this as never);
  }

  listen(listener: DuplexListener<unknown>): void {
    const call = this.#call;
    const door = this.#door;
    this.#listener = listener;
    call.on('end', () => {
      if (!this.#ended) listener.halfClosed();
    });
    // Attached last: from here on messages come.
    call.on('data', (bytes: Buffer) => {
      if (this.#ended) return;
      const request = door.decode(this.#method, bytes);
      if (isFailure(request)) {
        // What the messages before it asked for may be under way, and goes on unheard.
        this.#finish(door.refuse(this.#method, request, this.#head, undefined, this.#delivered));
        return;
      }
      this.#delivered = true;
      listener.message(request, bytes.length);
    });
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  send(answer: unknown): boolean {
    return this.#ended || this.#outlet.send(this.#door.encode(this.#method, answer));
  }

  end(): void {
    this.#finish(undefined);
  }

  fail(item: ItemStatus): void {
    this.#finish(grpcStatusOf(item));
  }

  shutdown(): void {
    this.#listener?.shutdown();
  }

  #finish(status: StatusObject | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#door.closed(this);
    this.#outlet.end(status);
    // What the client still sends is read and thrown away, so that its half of the stream can close.
    this.#call.resume();
  }
}
