/** A unary call behind the door: let in, decoded, handled, answered. */

import { isFailure } from '../core/coordinator/failure.ts';
import type { Door, DoorMethod, Leaving, Waiting } from './door.ts';
import type { Call } from './service.ts';
import type { CallStream, UnaryExchange } from './unary-exchange.ts';

/** What an answer weighs besides its bytes. */
const answerBytes = 512;

export class OpenUnary<Q, A> implements Call, Leaving, Waiting {
  readonly method: string;
  readonly arrivedMs: number;
  readonly requestBytes: number;
  deadlineMs = 0;
  isRetry = false;
  sinceMs = 0;
  readonly #door: Door;
  readonly #method: DoorMethod;
  readonly #handler: (request: Q, call: Call) => Promise<A>;
  readonly #exchange: UnaryExchange;

  constructor(
    door: Door,
    method: DoorMethod,
    handler: (request: Q, call: Call) => Promise<A>,
    exchange: UnaryExchange,
  ) {
    this.#door = door;
    this.#method = method;
    this.#handler = handler;
    this.#exchange = exchange;
    this.method = method.name;
    this.arrivedMs = door.clock.monotonicMs();
    this.requestBytes = exchange.request.length;
  }

  get cancelled(): boolean {
    return this.#exchange.cancelled;
  }

  get stream(): CallStream {
    return this.#exchange.stream;
  }

  get connection(): object {
    return this.#exchange.connection;
  }

  shed(): void {
    const exchange = this.#exchange;
    if (exchange.cancelled) return;
    exchange.fail(this.#door.refuseLate(this.#method, exchange, exchange.request));
  }

  run(): void {
    const exchange = this.#exchange;
    if (exchange.cancelled) return;
    const door = this.#door;
    const method = this.#method;
    const refusal = door.refusal(method, exchange);
    if (refusal !== undefined) {
      exchange.fail(door.refuse(method, refusal, exchange, exchange.request));
      return;
    }
    const { admission } = door;
    const counted = !method.alwaysOn;
    const reserved = this.requestBytes + (method.writes ? 0 : admission.expectedAnswerBytes);
    if (counted && !admission.enter(reserved)) {
      exchange.fail(door.refuse(method, door.overloaded(), exchange, exchange.request));
      return;
    }
    this.deadlineMs = door.giveUpMs(exchange, this.arrivedMs, false);
    this.isRetry = exchange.isRetry();
    // Nobody will hear the answer: not even the request is worth decoding.
    if (counted && this.deadlineMs <= door.clock.monotonicMs()) {
      admission.leave(reserved);
      exchange.fail(door.refuse(method, door.expired(method), exchange, exchange.request));
      return;
    }
    const request = door.decode<Q>(method, exchange.request);
    if (isFailure(request)) {
      if (counted) admission.leave(reserved);
      exchange.fail(door.refuse(method, request, exchange, exchange.request));
      return;
    }
    this.#handler(request, this).then(
      (answer) => {
        if (counted) admission.leave(reserved);
        this.#answer(answer);
      },
      (error: unknown) => {
        if (counted) admission.leave(reserved);
        exchange.fail(door.failed(method, error, exchange, exchange.request));
      },
    );
  }

  #answer(answer: A): void {
    const exchange = this.#exchange;
    if (exchange.cancelled) return;
    const door = this.#door;
    const method = this.#method;
    const { admission } = door;
    const mayRefuse = !method.writes && !method.alwaysOn;
    // A full node does not even encode what would be refused.
    if (mayRefuse && !admission.hasRoomFor(admission.expectedAnswerBytes)) {
      exchange.fail(door.refuse(method, door.overloaded(), exchange, exchange.request));
      return;
    }
    let encoded: Buffer;
    try {
      encoded = door.encode(method, answer);
    } catch (error) {
      exchange.fail(door.failed(method, error, exchange, exchange.request));
      return;
    }
    const held = encoded.length + this.requestBytes + answerBytes;
    if (mayRefuse) {
      admission.answered(encoded.length);
      // What was written is always told. What was read can be read again.
      if (!admission.hasRoomFor(held)) {
        exchange.fail(door.refuse(method, door.overloaded(), exchange, exchange.request));
        return;
      }
    }
    admission.hold(held);
    this.sinceMs = door.clock.monotonicMs();
    door.startLeaving(this);
    exchange.onceOver(() => {
      door.left(this);
      admission.release(held);
    });
    exchange.answer(encoded);
  }
}
