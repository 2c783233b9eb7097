package io.kindred.client;

import java.util.List;

/**
 * Which writes somebody had seen.
 *
 * <p>Of two versions, x came before y if and only if the clock of y covers the dot of x. If neither
 * covers the other's, they raced.
 *
 * @param entries at most one for each replica and epoch; an entry (r, e, n) stands for the counters
 *     1 to n
 */
public record VectorClock(List<Dot> entries) {

  public VectorClock {
    // Copies the entries.
    entries = List.copyOf(entries);
  }

  /**
   * Tells whether the write was seen.
   *
   * @param dot the name of a write
   * @return whether this clock covers it
   */
  public boolean covers(Dot dot) {
    return entries.stream()
        .anyMatch(
            entry ->
                entry.replica() == dot.replica()
                    && entry.epoch() == dot.epoch()
                    && entry.counter() >= dot.counter());
  }
}
