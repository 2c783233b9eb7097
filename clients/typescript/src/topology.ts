/** The nodes of the cluster, as one of them sees it. */

import type { Attempts } from './attempts.ts';
import { backoffMs } from './backoff.ts';
import type { Endpoint, Endpoints } from './endpoints.ts';
import {
  cancelled,
  errorOf,
  type Failure,
  failureOfCall,
  isRetryable,
  noConnection,
  notSent,
  retryAfterMs,
  streamEnded,
} from './failure.ts';
import { NodeState as WireNodeState, type Topology as WireTopology } from './gen/kindred/v1/topology.ts';
import { pause } from './waiting.ts';

/** Whether a node answers: UP, silent for longer than usual, or silent for so long that it counts as down. */
export type NodeState = 'UP' | 'SUSPECT' | 'FAILED';

/** One node of the cluster. */
export interface Node {
  readonly id: string;
  /** Where clients reach it: `host:port`. */
  readonly address: string;
  readonly datacenter: string;
  readonly zone: string;
  readonly state: NodeState;
  /** The share of all keys of which it holds a replica: 0 to 1. All nodes together: N. */
  readonly ownedFraction: number;
  /** The release it runs. Empty: not known yet. */
  readonly version: string;
}

/** The cluster at a moment. */
export interface Topology {
  readonly clusterId: string;
  /** The version of the layout: which node owns what. */
  readonly epoch: number;
  /** Sorted by id. */
  readonly nodes: readonly Node[];
}

export function topologyOf(topology: WireTopology | undefined): Topology {
  return {
    clusterId: topology?.clusterId ?? '',
    epoch: topology?.epoch ?? 0,
    nodes: (topology?.nodes ?? []).map(
      ({ id, address, datacenter, zone, state, ownedFraction, version }) => ({
        id,
        address,
        datacenter,
        zone,
        state: stateNames.get(state) ?? 'FAILED',
        ownedFraction,
        version,
      }),
    ),
  };
}

/**
 * The cluster now, and again whenever it changes. A watch that breaks goes on through another endpoint. Ends when the caller
 * leaves the loop; throws KindredError when the signal is aborted, or after `attemptsMax` failures in a row.
 */
export async function* watchTopology(
  endpoints: Endpoints,
  attempts: Attempts,
  options: { readonly signal: AbortSignal | undefined; readonly attemptsMax: number },
): AsyncGenerator<Topology, void, undefined> {
  const signal = options.signal ?? new AbortController().signal;
  let failures = 0;
  let last: Endpoint | undefined;
  for (;;) {
    const endpoint = await endpoints.connected(signal, last);
    let failure: Failure;
    if (endpoint === 'given-up') failure = cancelled(signal.reason, notSent);
    else if (endpoint === 'unreachable') failure = noConnection(endpoints.addresses);
    else {
      last = endpoint;
      const call = attempts.call(signal);
      try {
        for await (const { topology } of endpoint.topology.watchTopology({}, call)) {
          failures = 0;
          yield topologyOf(topology);
        }
        failure = streamEnded(endpoint.address);
      } catch (error) {
        failure = signal.aborted
          ? cancelled(signal.reason, { isSent: true, endpoint: endpoint.address })
          : failureOfCall(error, call.trailer, endpoint.address);
      }
    }
    failures += 1;
    if (!isRetryable(failure) || failures >= options.attemptsMax) {
      throw errorOf(failure, {
        isWrite: false,
        requestId: undefined,
        attempts: failures,
        isUncertain: false,
      });
    }
    await pause(backoffMs(failures, Math.random(), retryAfterMs(failure)), signal);
  }
}

const stateNames: ReadonlyMap<number, NodeState> = new Map([
  [WireNodeState.NODE_STATE_UP, 'UP'],
  [WireNodeState.NODE_STATE_SUSPECT, 'SUSPECT'],
  [WireNodeState.NODE_STATE_FAILED, 'FAILED'],
]);
