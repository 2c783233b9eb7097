package io.kindred.client;

/**
 * The name of one write, never used again for another.
 *
 * @param replica the random id of the data store of the replica that made the version
 * @param epoch renewed whenever that replica could not prove that it remembered its writes
 * @param counter counts the writes of one key, replica and epoch, from 1
 */
public record Dot(long replica, long epoch, long counter) implements Comparable<Dot> {

  @Override
  public int compareTo(Dot other) {
    int byReplica = Long.compare(replica, other.replica);
    if (byReplica != 0) {
      return byReplica;
    }
    int byEpoch = Long.compare(epoch, other.epoch);
    return byEpoch != 0 ? byEpoch : Long.compare(counter, other.counter);
  }

  @Override
  public String toString() {
    return Long.toHexString(replica) + ":" + epoch + ":" + counter;
  }
}
