/**
 * Calls to a cluster through any of several endpoints. Reads go on to the next endpoint when one cannot be reached; so
 * do writes, because every write of the command line has a request id and therefore counts once, wherever it arrives.
 */

import { type Channel, ClientError, createChannel, createClientFactory, Metadata } from 'nice-grpc';
import { type BucketServiceClient, BucketServiceDefinition } from '../gen/kindred/v1/bucket.ts';
import { type DiagnosticServiceClient, DiagnosticServiceDefinition } from '../gen/kindred/v1/diagnostic.ts';
import { type KeyValueServiceClient, KeyValueServiceDefinition } from '../gen/kindred/v1/kv.ts';
import { type OperationServiceClient, OperationServiceDefinition } from '../gen/kindred/v1/operation.ts';
import { type TopologyServiceClient, TopologyServiceDefinition } from '../gen/kindred/v1/topology.ts';
import { ANSWER_BYTES_MAX, CallFailure, callFailure } from './failure.ts';
import { UsageError } from './terminal.ts';

/** The services of one endpoint. */
export interface Services {
  readonly endpoint: string;
  readonly keyValue: KeyValueServiceClient;
  readonly topology: TopologyServiceClient;
  readonly diagnostic: DiagnosticServiceClient;
  readonly bucket: BucketServiceClient;
  readonly operation: OperationServiceClient;
}

/** What every unary call gets. */
export interface CallOptions {
  readonly metadata: Metadata;
  readonly signal: AbortSignal;
  readonly onTrailer: (trailer: Metadata) => void;
}

/** Where clients find a node when nothing else is said. */
export const DEFAULT_ENDPOINT = '127.0.0.1:7400';

const ENDPOINTS_MAX = 100;
/** How much longer than the deadline the client waits for the server's word on it. */
const ANSWER_GRACE_MS = 250;

/** Endpoints from `--endpoint` (repeatable, comma separated), else KINDRED_ENDPOINT, else the default. */
export function parseEndpoints(flags: readonly string[], environment: string | undefined): string[] {
  const given =
    flags.length > 0 ? flags : environment === undefined || environment === '' ? [] : [environment];
  const endpoints = given.flatMap((text) => text.split(',')).map((text) => text.trim());
  for (const endpoint of endpoints) {
    const port = /^(?:[A-Za-z0-9_.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})$/.exec(endpoint)?.[1];
    if (port === undefined || Number(port) < 1 || Number(port) > 65_535) {
      throw new UsageError(`endpoint "${endpoint}" must be host:port, as 127.0.0.1:7400`);
    }
  }
  if (endpoints.length > ENDPOINTS_MAX)
    throw new UsageError(`${endpoints.length} endpoints; at most ${ENDPOINTS_MAX}`);
  return endpoints.length > 0 ? [...new Set(endpoints)] : [DEFAULT_ENDPOINT];
}

/** Calls through the first endpoint that works. Close it when done. */
export class ClusterClient {
  readonly endpoints: readonly string[];
  private readonly timeoutMs: number;
  private readonly open = new Map<string, { readonly channel: Channel; readonly services: Services }>();

  constructor(endpoints: readonly string[], options: { readonly timeoutMs: number }) {
    this.endpoints = endpoints;
    this.timeoutMs = options.timeoutMs;
  }

  /**
   * The answer of `call`, through one endpoint after the other while none can be reached. Throws CallFailure; when an
   * earlier attempt of a write may have happened, its outcome is unknown whatever the later ones said.
   */
  async read<Answer>(call: (services: Services, options: CallOptions) => Promise<Answer>): Promise<Answer> {
    return this.attempt(false, call);
  }

  /** As {@link read}, for a write that carries a request id. */
  async write<Answer>(call: (services: Services, options: CallOptions) => Promise<Answer>): Promise<Answer> {
    return this.attempt(true, call);
  }

  /** One call through this endpoint and no other. Throws CallFailure. */
  at<Answer>(
    endpoint: string,
    writes: boolean,
    call: (services: Services, options: CallOptions) => Promise<Answer>,
  ): Promise<Answer> {
    return this.once(endpoint, writes, call);
  }

  /** The services of one endpoint, for streams. */
  services(endpoint: string): Services {
    const found = this.open.get(endpoint);
    if (found !== undefined) return found.services;
    const channel = createChannel(endpoint, undefined, {
      'grpc.max_receive_message_length': ANSWER_BYTES_MAX,
      'grpc.enable_retries': 0,
      'grpc.enable_channelz': 0,
      'grpc.primary_user_agent': 'kindred-cli',
    });
    const factory = createClientFactory();
    const services: Services = {
      endpoint,
      keyValue: factory.create(KeyValueServiceDefinition, channel),
      topology: factory.create(TopologyServiceDefinition, channel),
      diagnostic: factory.create(DiagnosticServiceDefinition, channel),
      bucket: factory.create(BucketServiceDefinition, channel),
      operation: factory.create(OperationServiceDefinition, channel),
    };
    this.open.set(endpoint, { channel, services });
    return services;
  }

  close(): void {
    for (const { channel } of this.open.values()) channel.close();
    this.open.clear();
  }

  private async attempt<Answer>(
    writes: boolean,
    call: (services: Services, options: CallOptions) => Promise<Answer>,
  ): Promise<Answer> {
    let mayHaveHappened = false;
    let last: CallFailure | undefined;
    for (const endpoint of this.endpoints) {
      try {
        return await this.once(endpoint, writes, call);
      } catch (error) {
        if (!(error instanceof CallFailure)) throw error;
        last = mayHaveHappened ? error.afterUnknown() : error;
        if (!error.isOfThisEndpoint) break;
        if (error.outcome === 'unknown') mayHaveHappened = true;
      }
    }
    throw last as CallFailure;
  }

  private async once<Answer>(
    endpoint: string,
    writes: boolean,
    call: (services: Services, options: CallOptions) => Promise<Answer>,
  ): Promise<Answer> {
    let trailer: Metadata | undefined;
    const deadline = AbortSignal.timeout(this.timeoutMs + ANSWER_GRACE_MS);
    try {
      return await call(this.services(endpoint), {
        // The server gives up a little before this, and says what it knows; the signal is for a server that does not.
        metadata: new Metadata({ 'grpc-timeout': `${this.timeoutMs}m` }),
        signal: deadline,
        onTrailer: (received) => {
          trailer = received;
        },
      });
    } catch (error) {
      if (error instanceof ClientError) throw callFailure(error, trailer, { endpoint, writes });
      if (!deadline.aborted) throw error;
      throw new CallFailure(
        {
          message: `no answer within ${this.timeoutMs} ms`,
          code: 'DEADLINE_EXCEEDED',
          reason: '',
          outcome: writes ? 'unknown' : 'not-a-write',
          endpoint,
        },
        { cause: error },
      );
    }
  }
}
