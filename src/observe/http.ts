/**
 * The HTTP port: `/metrics` for Prometheus, `/healthz` for "restart me", `/readyz` for "send me requests". It answers
 * from memory, takes only GET and HEAD, and bounds connections, headers and time, so that a scraper cannot hurt the node.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { METRICS_CONTENT_TYPE } from './metrics.ts';

/** Whether this node can serve requests now, and if not, why. */
export type Readiness = { readonly kind: 'ready' } | { readonly kind: 'unready'; readonly reason: string };

/** What the port shows. */
export interface HttpDependencies {
  /** The text of /metrics. */
  readonly metrics: { text(): Promise<string> };
  /** Storage works and enough peers are up for a quorum; asked at every /readyz. */
  readonly readiness: () => Readiness;
}

/** A running HTTP port. */
export interface HttpPort {
  /** The port in use (chosen by the system when 0 was asked for). */
  readonly port: number;
  /** Closes the port and every connection. */
  close(): Promise<void>;
}

const CONNECTIONS_MAX = 64;
const HEADER_BYTES_MAX = 8192;
const REQUEST_MS_MAX = 5000;
const TEXT = 'text/plain; charset=utf-8';

/** Opens the port. Rejects with the system's error (`EADDRINUSE`, `EACCES`) when it cannot be bound. */
export async function startHttp(
  dependencies: HttpDependencies,
  options: { readonly host: string; readonly port: number },
): Promise<HttpPort> {
  /** Scrapes at the same time share one answer. */
  let scrape: Promise<string> | undefined;
  const metricsText = (): Promise<string> => {
    scrape ??= dependencies.metrics.text().finally(() => {
      scrape = undefined;
    });
    return scrape;
  };
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      requestTimeout: REQUEST_MS_MAX,
      headersTimeout: REQUEST_MS_MAX,
      keepAliveTimeout: REQUEST_MS_MAX,
      connectionsCheckingInterval: 1000,
    },
    (request, response) => {
      answer(request, response, metricsText, dependencies.readiness).catch((error: Error) => {
        if (response.headersSent) response.destroy();
        else reply(request, response, 500, TEXT, `${error.message}\n`);
      });
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.maxRequestsPerSocket = 1000;
  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  metricsText: () => Promise<string>,
  readiness: () => Readiness,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    // The body is not read: the connection ends with the answer.
    response.setHeader('Connection', 'close');
    reply(request, response, 405, TEXT, 'only GET and HEAD\n');
    return;
  }
  const path = request.url?.split('?', 1)[0];
  switch (path) {
    case '/metrics':
      reply(request, response, 200, METRICS_CONTENT_TYPE, await metricsText());
      return;
    case '/healthz':
      reply(request, response, 200, TEXT, 'alive\n');
      return;
    case '/readyz': {
      const state = readiness();
      if (state.kind === 'ready') reply(request, response, 200, TEXT, 'ready\n');
      else reply(request, response, 503, TEXT, `not ready: ${state.reason}\n`);
      return;
    }
    default:
      reply(request, response, 404, TEXT, 'not found; try /metrics, /healthz or /readyz\n');
  }
}

function reply(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
