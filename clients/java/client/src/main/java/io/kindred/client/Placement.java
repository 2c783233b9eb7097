package io.kindred.client;

import io.kindred.v1.GetPlacementResponse;
import io.kindred.v1.PlacementNode;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import net.jpountz.xxhash.XXHash64;
import net.jpountz.xxhash.XXHashFactory;

/**
 * Where the keys of one bucket live: token, partition and homes of a key, as the nodes compute
 * them. See docs/internals/placement.md.
 */
final class Placement {

  private static final String HASH = "xxh64";
  private static final XXHash64 XXH64 = XXHashFactory.safeInstance().hash64();

  private final long topologyEpoch;
  private final int partitionBits;
  private final int replication;
  private final List<PlacementNode> nodes;
  private final int[] homes;

  private Placement(GetPlacementResponse table) {
    topologyEpoch = table.getTopologyEpoch();
    partitionBits = table.getPartitionBits();
    replication = table.getReplication();
    nodes = table.getNodesList();
    homes = table.getHomesList().stream().mapToInt(Integer::intValue).toArray();
  }

  /**
   * Checks the table of a node.
   *
   * @throws IllegalArgumentException if the table does not hold together, or its hash is unknown
   */
  static Placement of(GetPlacementResponse table) {
    if (!table.getHash().startsWith(HASH)) {
      throw new IllegalArgumentException("unknown hash " + table.getHash());
    }
    int bits = table.getPartitionBits();
    if (bits < 0 || bits > 16 || table.getReplication() < 1) {
      throw new IllegalArgumentException("no table of homes");
    }
    if (table.getHomesCount() != (1 << bits) * table.getReplication()
        || table.getHomesList().stream()
            .anyMatch(node -> node < 0 || node >= table.getNodesCount())) {
      throw new IllegalArgumentException("the table of homes does not hold together");
    }
    return new Placement(table);
  }

  /** The place of a key on the ring: xxh64 of the bucket, a zero byte and the key. */
  static long token(Key key) {
    byte[] bucket = key.bucket().getBytes(StandardCharsets.US_ASCII);
    byte[] record = new byte[bucket.length + 1 + key.key().size()];
    System.arraycopy(bucket, 0, record, 0, bucket.length);
    key.key().toByteString().copyTo(record, bucket.length + 1);
    return XXH64.hash(record, 0, record.length, 0);
  }

  /** The top bits of a token. */
  static int partition(long token, int bits) {
    // A shift by 64 is a shift by none.
    return bits == 0 ? 0 : (int) (token >>> (Long.SIZE - bits));
  }

  long topologyEpoch() {
    return topologyEpoch;
  }

  /** The addresses of the homes of a key, best first. */
  List<String> homeAddresses(Key key) {
    return homes(key).map(node -> nodes.get(node).getAddress()).toList();
  }

  KeyLocation locate(Key key) {
    long token = token(key);
    return new KeyLocation(
        token,
        partition(token, partitionBits),
        homes(key).map(node -> nodes.get(node).getId()).toList());
  }

  private Stream<Integer> homes(Key key) {
    int first = partition(token(key), partitionBits) * replication;
    return IntStream.range(first, first + replication).map(i -> homes[i]).boxed();
  }
}
