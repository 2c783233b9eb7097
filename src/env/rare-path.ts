/**
 * Rare paths: places in the production code where something legal happens that a healthy machine hardly ever brings about.
 * The simulator takes them often (FoundationDB calls this BUGGIFY: Zhou et al., SIGMOD 2021, section 4.3); a real node
 * takes one only when it must.
 *
 * A rare path never breaks a promise: each is something that load, a failed disk or a slow peer may cause at any time, and
 * the comment at its place says why it is safe.
 */

/** Names the places. One that is taken out of the code goes from here too. */
export type RarePath =
  /** A group commit leaves operations that wait to the next one. */
  | 'group-commit-cut-short'
  /** A frame to a peer leaves calls that wait to the next one. */
  | 'peer-frame-cut-short'
  /** Calls to a peer wait one tick longer than they would have to. */
  | 'peer-flush-late'
  /** A frame of replies to a peer leaves replies that wait to the next one. */
  | 'peer-replies-cut-short'
  /** A record that is in memory is read from the disk all the same. */
  | 'record-cache-misses'
  /** A replica turns a peer's call down as if too many were under way. */
  | 'replica-overloaded'
  /** A read asks the replicas in the opposite order, this node last. */
  | 'read-farthest-first'
  /** A read asks everybody for the record, and nobody for a digest. */
  | 'read-no-digests'
  /** A digest that agrees is taken for one that differs: the records are fetched and merged. */
  | 'read-digest-differs'
  /** A read asks one replica more without waiting for the slow one. */
  | 'hedge-at-once'
  /** A lease covers one epoch, so that the next key that needs one waits for the next lease. */
  | 'epoch-lease-of-one'
  /** A replica opens a new epoch for a key although it could go on in the last. Costs an entry of the key's clock each time. */
  | 'epoch-not-continued'
  /** A read is followed by a repair of all replicas, although nobody was found behind. */
  | 'repair-needlessly'
  /** A repair is dropped as if too many were waiting. */
  | 'repair-backlog-full'
  /** Hints are handed over one at a look. */
  | 'hint-batch-of-one'
  /** A hint that was confirmed stays, and is handed over again. */
  | 'hint-delivered-twice'
  /** A partition is read from the disk again although its trees are right. */
  | 'tree-read-needlessly'
  /** The trees of a partition are stored although it was written just now. */
  | 'tree-stored-early'
  /** A comparison asks for one key of a listing at a time. */
  | 'comparison-page-of-one'
  /** A request is refused as if the node had too many. */
  | 'admission-refuses'
  /** A pipeline takes one operation at a time. */
  | 'pipeline-of-one';
