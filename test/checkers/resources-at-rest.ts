/**
 * Resources come back to rest: once clients are done, faults are over and replicas agree, no node has anything under way or
 * owes anybody anything. It is how a leak shows, and how "repair reaches zero and remains there" (semantics, invariant 4) is
 * told: no requests or their bytes in flight, no calls to peers, no repairs that wait, no hints, no timers that
 * a request left behind.
 *
 * The input is what a node shows of itself (`snapshot.gauges` of src/node-view.ts). A gauge that is missing is a
 * violation, for what cannot be seen cannot be checked.
 *
 * Not checked: gauges that count up (`damaged_reads`), connections, which clients may keep open, and the store of epochs.
 */

import type { Violation } from './history.ts';

/** One node when all has come to rest. */
export interface RestingNode {
  readonly node: string;
  /** By name. Empty where the node is not running. */
  readonly gauges: Readonly<Record<string, number>>;
}

/** Each must be there, and 0. */
const mustBeZero: readonly (readonly [gauge: string, what: string])[] = [
  ['requests_in_flight', 'requests in flight'],
  ['request_bytes_in_flight', 'bytes of requests in flight'],
  ['peer_calls_in_flight', 'calls to peers in flight'],
  ['repairs_pending', 'repairs that wait'],
  ['hint_bytes', 'bytes of hints'],
];

/** Must be 0 where somebody counts them. */
const zeroIfThere: readonly (readonly [gauge: string, what: string])[] = [
  ['keys_pending', 'keys with a write on its way to the disk'],
  ['hints_pending', 'hints'],
  ['timers_pending', 'timers of requests'],
];

/** `atMs`: when the nodes were looked at, for the trace. */
export function resourcesAtRest(nodes: readonly RestingNode[], atMs = 0): readonly Violation[] {
  const violations: Violation[] = [];
  const report = (message: string): void => {
    violations.push({ checker: 'resources-at-rest', message, bucket: '', key: '', attempts: [], atMs });
  };
  for (const { node, gauges } of nodes) {
    if (Object.keys(gauges).length === 0) {
      report(`${node} shows nothing of itself at rest: it is not running`);
      continue;
    }
    for (const [gauge, what] of mustBeZero) {
      const value = gauges[gauge];
      if (value === undefined) report(`${node} does not show ${gauge} at rest`);
      else if (value !== 0) report(`${node} still has ${value} ${what} at rest`);
    }
    for (const [gauge, what] of zeroIfThere) {
      const value = gauges[gauge] ?? 0;
      if (value !== 0) report(`${node} still has ${value} ${what} at rest`);
    }
  }
  return violations;
}
