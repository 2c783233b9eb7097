package io.kindred.client;

/**
 * How many of the N replicas of a key must answer. A read and a write see each other for certain
 * when their numbers add up to more than N.
 */
public enum Consistency {
  /** One replica or, where none is up, one durable hint. Writes only. */
  ANY,
  /** One replica. */
  ONE,
  /** Two replicas. */
  TWO,
  /** Three replicas. */
  THREE,
  /** A majority. Reads from this level on repair who was behind before they answer. */
  QUORUM,
  /** All N replicas. */
  ALL,
  /** One replica in the data centre of the coordinator. */
  LOCAL_ONE,
  /** A majority of the replicas in the data centre of the coordinator. */
  LOCAL_QUORUM,
  /** A majority of the replicas in every data centre. */
  EACH_QUORUM
}
