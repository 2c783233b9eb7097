package io.kindred.client;

import java.util.Objects;
import java.util.Optional;

/**
 * A touch is done.
 *
 * @param applied false if the key was absent, deleted or expired: nothing was written
 * @param context covers what is stored now
 * @param report how far the write had come; empty if not applied
 */
public record TouchResult(boolean applied, CausalContext context, Optional<WriteReport> report) {

  public TouchResult {
    // Checks that nothing is null.
    Objects.requireNonNull(context, "context");
    Objects.requireNonNull(report, "report");
  }
}
