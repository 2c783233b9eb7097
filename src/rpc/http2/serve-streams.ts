/** Who serves a stream: plain unary calls go straight to the door, and everything else to grpc-js. */

import type { Server } from '@grpc/grpc-js';
import type { Clock } from '../../env/env.ts';
import type { UnaryExchange } from '../unary-exchange.ts';
import type { RequestHead } from './request-head.ts';
import type { Http2Stream, Session } from './stream.ts';
import { headersOf, SurfaceStream } from './surface-stream.ts';
import { UnaryCall, type UnaryPlan, unaryPlan } from './unary-call.ts';

export interface ServeDependencies {
  readonly grpc: Server;
  readonly clock: Clock;
  /** By path, who takes a unary call once its request is complete. */
  readonly routes: ReadonlyMap<string, (exchange: UnaryExchange) => void>;
}

/** What is used of grpc-js that is not public. `server.test.ts` notices when it goes. */
interface GrpcInternals {
  _streamHandler(
    interceptors: readonly never[],
    stream: SurfaceStream,
    headers: Record<string, string>,
  ): void;
}

export function streamServer(
  { grpc, clock, routes }: ServeDependencies,
  { messageBytesMax }: { readonly messageBytesMax: number },
): (stream: Http2Stream, head: RequestHead, session: Session) => void {
  const internals = grpc as unknown as GrpcInternals;
  return (stream, head, session) => {
    head.plan ??= unaryPlan(head, routes) ?? 'none';
    if (head.plan !== 'none') {
      stream.receiver = new UnaryCall({ stream, session, clock }, head.plan as UnaryPlan, messageBytesMax);
      return;
    }
    const surface = new SurfaceStream(stream, session);
    stream.receiver = surface;
    internals._streamHandler([], surface, headersOf(head));
  };
}
