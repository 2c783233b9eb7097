/** A call with a stream of answers behind the door: a batch, or a watch. */

import type { ServerWritableStream } from '@grpc/grpc-js';
import { isFailure } from '../core/coordinator/failure.ts';
import type { Door, DoorMethod, EndedByDraining, Waiting } from './door.ts';
import type { Outlet } from './outlet.ts';
import type { StreamingCall } from './service.ts';
import { GrpcCallHead } from './unary-exchange.ts';

/** Bytes of the answers of one batch that are held or being made. */
const streamBytesMax = 4 * 1024 * 1024;

export class OpenStream<Q, A> implements StreamingCall<A>, EndedByDraining, Waiting {
  readonly method: string;
  readonly arrivedMs: number;
  readonly requestBytes: number;
  deadlineMs = 0;
  isRetry = false;
  readonly #door: Door;
  readonly #method: DoorMethod;
  readonly #handler: (request: Q, call: StreamingCall<A>) => Promise<void>;
  readonly #call: ServerWritableStream<Buffer, Buffer>;
  readonly #head: GrpcCallHead;
  readonly #outlet: Outlet;
  /** One for all who wait to send. */
  #room: Promise<void> | undefined;
  #resume: () => void = () => {};
  /** The node drains, and the client of this watch has been told. */
  #stopped = false;
  readonly #onCancel: (() => void)[] = [];

  constructor(
    door: Door,
    method: DoorMethod,
    handler: (request: Q, call: StreamingCall<A>) => Promise<void>,
    call: ServerWritableStream<Buffer, Buffer>,
  ) {
    this.#door = door;
    this.#method = method;
    this.#handler = handler;
    this.#call = call;
    this.#head = new GrpcCallHead(call);
    this.#outlet = door.outlet(call, () => this.#makeRoom());
    this.method = method.name;
    this.arrivedMs = door.clock.monotonicMs();
    this.requestBytes = call.request.length;
    call.once('cancelled', () => {
      this.#outlet.close();
      this.#over();
    });
  }

  get cancelled(): boolean {
    return this.#call.cancelled || this.#stopped;
  }

  /** Ends a watch: what it would show next, another node can show. */
  shutdown(): void {
    this.#stopped = true;
    this.#outlet.end(this.#door.refuse(this.#method, { kind: 'draining' }, this.#head, this.#call.request));
    this.#over();
  }

  #over(): void {
    this.#makeRoom();
    for (const cancelled of this.#onCancel.splice(0)) cancelled();
  }

  #makeRoom(): void {
    this.#room = undefined;
    this.#resume();
  }

  send(answer: A): Promise<void> | undefined {
    const encoded = this.#door.encode(this.#method, answer);
    const { writes, watches, alwaysOn } = this.#method;
    if (!writes && !watches && !alwaysOn) this.#door.admission.answered(encoded.length);
    if (this.#outlet.send(encoded)) return undefined;
    this.#room ??= new Promise((resolve) => {
      this.#resume = resolve;
    });
    return this.#room;
  }

  hasRoomFor(pending: number): boolean {
    const { admission } = this.#door;
    const bytes = (pending + 1) * admission.expectedAnswerBytes;
    return this.#outlet.heldBytes + bytes <= streamBytesMax && admission.hasRoomFor(bytes);
  }

  onCancel(cancelled: () => void): void {
    this.#onCancel.push(cancelled);
  }

  get connection(): object {
    return this.#head.connection;
  }

  shed(): void {
    const call = this.#call;
    if (call.cancelled) return;
    call.emit('error', this.#door.refuseLate(this.#method, this.#head, call.request));
  }

  run(): void {
    const call = this.#call;
    if (call.cancelled) return;
    const door = this.#door;
    const method = this.#method;
    const refusal = door.refusal(method, this.#head);
    if (refusal !== undefined) {
      call.emit('error', door.refuse(method, refusal, this.#head, call.request));
      return;
    }
    const bytes = this.requestBytes;
    const counted = !method.alwaysOn && !method.watches;
    if (counted && !door.admission.enter(bytes)) {
      call.emit('error', door.refuse(method, door.overloaded(), this.#head, call.request));
      return;
    }
    if (method.watches && !door.startWatch(this)) {
      call.emit('error', door.refuse(method, door.tooManyWatches(), this.#head, call.request));
      return;
    }
    const leave = (): void => {
      if (counted) door.admission.leave(bytes);
      else door.endWatch(this);
    };
    this.deadlineMs = door.giveUpMs(this.#head, this.arrivedMs, !counted);
    this.isRetry = this.#head.isRetry();
    const request = door.decode<Q>(method, call.request);
    if (isFailure(request)) {
      leave();
      call.emit('error', door.refuse(method, request, this.#head, call.request));
      return;
    }
    this.#handler(request, this).then(
      () => {
        leave();
        this.#outlet.end(undefined);
      },
      (error: unknown) => {
        leave();
        this.#outlet.end(door.failed(method, error, this.#head, call.request));
      },
    );
  }
}
