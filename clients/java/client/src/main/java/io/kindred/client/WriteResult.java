package io.kindred.client;

import java.util.Objects;

/**
 * A put or a delete is done.
 *
 * @param context covers this write and what it superseded: for the next write of the key, or to
 *     read this one back at any level
 * @param dot the name of the version, or of the deletion, that this write made
 * @param versionsHeld how many versions the coordinating replica held right after it, this one
 *     included; more than 1: writes raced, read and resolve. 0: not known
 * @param report how far the write had come
 */
public record WriteResult(CausalContext context, Dot dot, int versionsHeld, WriteReport report) {

  public WriteResult {
    // Checks that nothing is null.
    Objects.requireNonNull(context, "context");
    Objects.requireNonNull(dot, "dot");
    Objects.requireNonNull(report, "report");
  }

  /**
   * Tells whether another version stands beside this one.
   *
   * @return whether the coordinating replica held more than this version
   */
  public boolean raced() {
    return versionsHeld > 1;
  }
}
