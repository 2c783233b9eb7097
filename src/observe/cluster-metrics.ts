/**
 * What a node tells of how the cluster holds together: who is up and why, gossip, hints, comparisons of replicas, deletions, and
 * the rates of background work. Most of it others count already: it is read when someone scrapes.
 */

import type { Registry } from 'prom-client';
import { CounterFamily, CounterReading, type CounterSeries, GaugeReading, register } from './instruments.ts';

const seriesMax = 5000;

/** All of them, under the names that docs/operating/metrics.md lists. */
export class ClusterMetrics {
  /** Suspicion of each peer's silence. */
  readonly phi: GaugeReading;
  readonly heartbeatAgeSeconds: GaugeReading;
  /** What became of the probes that others were asked for. */
  readonly probes: CounterReading;
  readonly localHealth: GaugeReading;

  readonly gossipRounds: CounterReading;
  readonly gossipExchanges: CounterReading;
  readonly gossipBytes: CounterReading;
  readonly gossipIgnored: CounterReading;

  readonly hintsKept: CounterReading;
  readonly hintsOldestSeconds: GaugeReading;

  readonly comparisonAgeSeconds: GaugeReading;
  readonly treePartitions: GaugeReading;
  readonly treeRebuilds: CounterReading;
  readonly treeRebuiltKeys: CounterReading;
  readonly treesRepaired: CounterReading;

  readonly tombstones: GaugeReading;
  readonly tombstonesCollected: CounterReading;
  readonly tombstoneOldestSeconds: GaugeReading;

  readonly backgroundShare: GaugeReading;
  readonly backgroundWaiting: GaugeReading;
  readonly backgroundKeys: CounterReading;
  readonly backgroundBytes: CounterReading;
  readonly backgroundLoad: GaugeReading;
  readonly eventLoopDelaySeconds: GaugeReading;

  private readonly stateChangesTotal: CounterFamily;
  private readonly comparisonsTotal: CounterFamily;
  private readonly comparisonRepairedKeysTotal: CounterFamily;
  private readonly comparisonBytesTotal: CounterFamily;

  constructor(registry: Registry) {
    const counter = (name: string, help: string, ...labels: string[]): CounterFamily =>
      register(registry, new CounterFamily(name, help, labels, seriesMax));
    const gauge = (name: string, help: string, label?: string): GaugeReading =>
      register(registry, new GaugeReading(name, help, label));
    const count = (name: string, help: string, label?: string): CounterReading =>
      register(registry, new CounterReading(name, help, label));

    this.phi = gauge(
      'kindred_node_phi',
      "How suspicious a peer's silence is; from 5 suspect, from 8 failed.",
      'peer',
    );
    this.heartbeatAgeSeconds = gauge('kindred_heartbeat_age_seconds', 'Since a peer was last heard.', 'peer');
    this.stateChangesTotal = counter(
      'kindred_node_state_changes_total',
      'How often a peer was found in another state than before.',
      'peer',
      'to',
    );
    this.probes = count(
      'kindred_probes_total',
      'Probes of silent peers through others, by result.',
      'result',
    );

    this.localHealth = gauge('kindred_local_health', 'How badly this node itself hears: 0 to 7.');

    this.gossipRounds = count('kindred_gossip_rounds_total', 'Rounds of gossip that this node began.');
    this.gossipExchanges = count(
      'kindred_gossip_exchanges_total',
      'Exchanges of gossip begun, by result.',
      'result',
    );
    this.gossipBytes = count('kindred_gossip_bytes_total', 'Bytes of gossip, by direction.', 'direction');
    this.gossipIgnored = count('kindred_gossip_ignored_total', 'What gossip ignored, by reason.', 'reason');

    this.hintsKept = count('kindred_hints_kept_total', 'Hints kept for an absent replica.', 'target');
    this.hintsOldestSeconds = gauge(
      'kindred_hints_oldest_seconds',
      'Age of the oldest hint for a replica.',
      'target',
    );

    this.comparisonsTotal = counter(
      'kindred_comparisons_total',
      'Comparisons with a peer that this node began, by outcome.',
      'peer',
      'outcome',
    );
    this.comparisonRepairedKeysTotal = counter(
      'kindred_comparison_repaired_keys_total',
      'Keys repaired because a comparison found them different.',
      'peer',
    );
    this.comparisonBytesTotal = counter(
      'kindred_comparison_bytes_total',
      'Bytes exchanged in comparisons that this node began.',
      'peer',
    );
    this.comparisonAgeSeconds = gauge(
      'kindred_comparison_age_seconds',
      'Since all that is shared with a peer was last found or made equal.',
      'peer',
    );
    this.treePartitions = gauge(
      'kindred_tree_partitions',
      'Partitions of this node by the state of their tree.',
      'state',
    );
    this.treeRebuilds = count(
      'kindred_tree_rebuilds_total',
      'Trees of partitions that were read from the disk.',
    );
    this.treeRebuiltKeys = count('kindred_tree_rebuilt_keys_total', 'Keys that were read for that.');
    this.treesRepaired = count(
      'kindred_trees_repaired_total',
      'Trees that differed from what was read: they were put right.',
    );

    this.tombstones = gauge(
      'kindred_tombstones',
      'Records of deleted and expiring keys, at the last look at them all, by state.',
      'state',
    );
    this.tombstonesCollected = count(
      'kindred_tombstones_collected_total',
      'Tombstones that were removed for good.',
    );
    this.tombstoneOldestSeconds = gauge(
      'kindred_tombstone_oldest_seconds',
      'How long the oldest tombstone has been here, in running time of the store.',
    );

    this.backgroundShare = gauge(
      'kindred_background_share',
      'What each class of background work may use of its full rate.',
      'class',
    );
    this.backgroundWaiting = gauge(
      'kindred_background_waiting',
      'Work that waits for its turn, by class.',
      'class',
    );
    this.backgroundKeys = count(
      'kindred_background_keys_total',
      'Keys granted to background work, by class.',
      'class',
    );
    this.backgroundBytes = count(
      'kindred_background_bytes_total',
      'Bytes granted to background work, by class.',
      'class',
    );
    this.backgroundLoad = gauge(
      'kindred_background_load',
      'How busy the node is: 0 idle, 1 as busy as it can be.',
    );
    this.eventLoopDelaySeconds = gauge(
      'kindred_event_loop_delay_seconds',
      'How late the event loop was when last measured.',
    );
  }

  /** The series of changes of this peer to this state. */
  stateChanges(peer: string, to: string): CounterSeries {
    return this.stateChangesTotal.with(peer, to);
  }

  /** Counts one comparison with a peer, however it ended. */
  compared(peer: string, outcome: string, keysRepaired: number, bytesExchanged: number): void {
    this.comparisonsTotal.with(peer, outcome).add();
    this.comparisonRepairedKeysTotal.with(peer).add(keysRepaired);
    this.comparisonBytesTotal.with(peer).add(bytesExchanged);
  }
}
