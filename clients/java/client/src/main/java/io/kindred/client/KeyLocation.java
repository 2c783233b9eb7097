package io.kindred.client;

import java.util.List;

/**
 * Where a key lives, as this client computes it from the table of homes.
 *
 * @param token its place on the ring, an unsigned number
 * @param partition its partition: the top bits of the token
 * @param homes the ids of the nodes that hold it, best first
 */
public record KeyLocation(long token, int partition, List<String> homes) {

  public KeyLocation {
    // Copies the list.
    homes = List.copyOf(homes);
  }

  /**
   * The token as people and other programs write it.
   *
   * @return 16 lower-case hexadecimal digits
   */
  public String tokenHex() {
    return String.format("%016x", token);
  }
}
