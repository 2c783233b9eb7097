/**
 * How a service is written for the client port: typed handlers over a generated definition. A handler gets a decoded
 * request and a call, and resolves with the answer or throws OperationError or StatusError; it knows nothing of HTTP/2.
 */

import type { ItemStatus } from '../gen/kindred/v1/types.ts';

/** A generated message type (ts-proto). */
export interface MessageType<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** A generated method definition (ts-proto `generic-definitions`). */
export interface MethodDefinition {
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: the handler types below take the message types out again
  readonly requestType: MessageType<any>;
  readonly requestStream: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly responseType: MessageType<any>;
  readonly responseStream: boolean;
}

/** A generated service definition. */
export interface ServiceDefinition {
  readonly fullName: string;
  readonly methods: Readonly<Record<string, MethodDefinition>>;
}

/** One call, as far as a handler needs to know it. */
export interface Call {
  /** `Get`: the method's name in the proto file. */
  readonly method: string;
  /** Monotonic milliseconds. */
  readonly arrivedMs: number;
  /** Monotonic milliseconds at which the answer must leave: the client's deadline, cut to the limit, less the way back. */
  readonly deadlineMs: number;
  /** Encoded length of the request; 0 on a stream of requests. */
  readonly requestBytes: number;
  /** The client's gRPC library says that it sent this call before, by itself. */
  readonly isRetry: boolean;
  /** Nobody waits for the answer any more. */
  readonly cancelled: boolean;
}

/** A call with a stream of answers. */
export interface StreamingCall<Answer> extends Call {
  /** Sends one answer. When the client reads slowly, a promise of the time to send the next. */
  send(answer: Answer): Promise<void> | undefined;
  /** True when another answer will find room, besides those that the client has not taken and `pending` that are on their way. */
  hasRoomFor(pending: number): boolean;
  /** Calls back once when the client is gone or has been waiting too long, and a watch also when the node drains. */
  onCancel(cancelled: () => void): void;
}

/** A call with a stream both ways. Nothing is read before `resume`. */
export interface DuplexCall<Request, Answer> extends Call {
  /** All events of the stream. Called once, before anything else. */
  listen(listener: DuplexListener<Request>): void;
  pause(): void;
  resume(): void;
  /** Sends one message. False: stop until `drained`. */
  send(answer: Answer): boolean;
  /** Ends the call with OK, after all that was sent. */
  end(): void;
  /** Ends the call with a failure, after all that was sent. */
  fail(item: ItemStatus): void;
}

export interface DuplexListener<Request> {
  message(request: Request, bytes: number): void;
  /** The client sends no more. */
  halfClosed(): void;
  /** The client is gone, or its deadline has passed: nothing more can be sent. */
  cancelled(): void;
  drained(): void;
  /** The node shuts down: answer what was accepted, then end. */
  shutdown(): void;
}

type RequestOf<M extends MethodDefinition> = ReturnType<M['requestType']['decode']>;
type AnswerOf<M extends MethodDefinition> = ReturnType<M['responseType']['decode']>;

type HandlerOf<M extends MethodDefinition> = M['requestStream'] extends true
  ? (call: DuplexCall<RequestOf<M>, AnswerOf<M>>) => void
  : M['responseStream'] extends true
    ? (request: RequestOf<M>, call: StreamingCall<AnswerOf<M>>) => Promise<void>
    : (request: RequestOf<M>, call: Call) => Promise<AnswerOf<M>>;

/** A handler for every method of a definition. */
export type Handlers<D extends ServiceDefinition> = {
  readonly [M in keyof D['methods']]: HandlerOf<D['methods'][M]>;
};

/** A service, ready to be served. */
export interface Service {
  readonly definition: ServiceDefinition;
  // biome-ignore lint/suspicious/noExplicitAny: checked where the service was made, by `service`
  readonly handlers: Readonly<Record<string, any>>;
  /** Methods that write: their failures say what became of the write. */
  readonly writes: ReadonlySet<string>;
  /**
   * Methods with a stream of answers that goes on until the client has enough: not counted as work, without a bound on their
   * deadline, and ended by the door with UNAVAILABLE when the node drains. Names as in the proto file.
   */
  readonly watches: ReadonlySet<string>;
  /** Answered even while the node drains, and not counted as work. */
  readonly alwaysOn: boolean;
}

/** Puts a definition and its handlers together. `writes` and `watches` are names as in the proto file. */
export function service<D extends ServiceDefinition>(
  definition: D,
  handlers: Handlers<D>,
  options: {
    readonly writes?: readonly string[];
    readonly watches?: readonly string[];
    readonly alwaysOn?: boolean;
  } = {},
): Service {
  return {
    definition,
    handlers,
    writes: new Set(options.writes),
    watches: new Set(options.watches),
    alwaysOn: options.alwaysOn ?? false,
  };
}
