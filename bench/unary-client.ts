/**
 * The unary client where h2load is not installed, in a process of its own: the same lanes, through grpc-js. It is several
 * times as expensive as h2load, so a run with it compares systems with each other and with no other run.
 */

import { Client, credentials } from '@grpc/grpc-js';
import { epochMs, Recorder, type Samples, type Window } from './measurement.ts';

export interface UnaryJob {
  readonly kind: 'unary';
  readonly lanes: readonly {
    readonly endpoint: string;
    readonly path: string;
    readonly message: Uint8Array;
  }[];
  /** Calls in flight on each lane. */
  readonly streams: number;
}

const asItIs = (bytes: Buffer): Buffer => bytes;
const timeoutMs = 10_000;

/** Gets ready, and returns what runs until the window has ended and all is answered. */
export function prepareUnary({ lanes, streams }: UnaryJob): (window: Window) => Promise<Samples> {
  return async (window) => {
    const recorder = new Recorder(window);
    await Promise.all(lanes.map((lane) => runLane(lane, { streams, window, recorder })));
    return recorder.samples();
  };
}

async function runLane(
  { endpoint, path, message }: UnaryJob['lanes'][number],
  work: { readonly streams: number; readonly window: Window; readonly recorder: Recorder },
): Promise<void> {
  const { streams, window, recorder } = work;
  const client = new Client(endpoint, credentials.createInsecure(), {
    'grpc.enable_channelz': 0,
    'grpc.enable_retries': 0,
    // A connection for each lane, as with h2load.
    'grpc.use_local_subchannel_pool': 1,
  });
  const body = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const call = (): Promise<void> =>
    new Promise((resolve) => {
      const startMs = epochMs();
      client.makeUnaryRequest(path, asItIs, asItIs, body, { deadline: Date.now() + timeoutMs }, (error) => {
        const nowMs = epochMs();
        if (error === null) recorder.succeeded(nowMs, nowMs - startMs);
        else recorder.failed(error.message);
        resolve();
      });
    });
  const stream = async (): Promise<void> => {
    while (epochMs() < window.untilMs) await call();
  };
  await Promise.all(Array.from({ length: streams }, stream));
  client.close();
}
