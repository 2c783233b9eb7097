/**
 * One gRPC call with bytes that are encoded already, through grpc-js: h2load counts HTTP 200s, and a failed gRPC call is one
 * too, so the same bytes are sent once by a client that reads the status.
 */

import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import type { UnaryRequest } from './requests.ts';

const asItIs = (bytes: Buffer): Buffer => bytes;
const timeoutMs = 10_000;

/** Clients by endpoint. Close when done. */
export class UnaryClients {
  readonly #clients = new Map<string, Client>();

  /** The encoded answer. Rejects when the status is not OK. */
  call(endpoint: string, { path, message }: UnaryRequest): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#client(endpoint).makeUnaryRequest(
        path,
        asItIs,
        asItIs,
        Buffer.from(message.buffer, message.byteOffset, message.byteLength),
        { deadline: Date.now() + timeoutMs },
        (error: ServiceError | null, answer?: Buffer) => {
          if (error === null && answer !== undefined) resolve(answer);
          else
            reject(new Error(`${path} at ${endpoint}: ${error?.message ?? 'no answer'}`, { cause: error }));
        },
      );
    });
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #client(endpoint: string): Client {
    let client = this.#clients.get(endpoint);
    if (client === undefined) {
      client = new Client(endpoint, credentials.createInsecure(), {
        'grpc.enable_channelz': 0,
        'grpc.enable_retries': 0,
        // A connection for each client, as h2load has.
        'grpc.use_local_subchannel_pool': 1,
      });
      this.#clients.set(endpoint, client);
    }
    return client;
  }
}
