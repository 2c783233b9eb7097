package io.kindred.client;

import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;

/**
 * The state of one key: one version, several that raced, or none. Whatever it is, its context
 * covers it: give that to the next write of the key.
 *
 * <pre>{@code
 * GetResult result = client.get(key);
 * if (result instanceof Found found) {
 *   show(found.value());
 * } else if (result instanceof Conflict conflict) {
 *   client.put(key, merge(conflict.values()), conflict.context());
 * } else if (result instanceof Absent absent) {
 *   client.put(key, first, absent.context());
 * }
 * }</pre>
 */
public sealed interface GetResult permits GetResult.Found, GetResult.Conflict, GetResult.Absent {

  /**
   * What this answer covers, deletions included.
   *
   * @return the context for the next write, or for {@link ReadOptions.Builder#minContext}
   */
  CausalContext context();

  /**
   * How the answer came about.
   *
   * @return the report of the coordinator
   */
  ReadReport report();

  /**
   * All versions of the answer.
   *
   * @return one if found, several that raced, sorted by dot, or none
   */
  List<Version> versions();

  /**
   * Goes on with whichever of the three it is.
   *
   * @param <T> what comes of it
   * @param found for one version
   * @param conflict for several
   * @param absent for none
   * @return what the function returned
   */
  default <T> T fold(
      Function<? super Found, ? extends T> found,
      Function<? super Conflict, ? extends T> conflict,
      Function<? super Absent, ? extends T> absent) {
    if (this instanceof Found one) {
      return found.apply(one);
    }
    if (this instanceof Conflict several) {
      return conflict.apply(several);
    }
    return absent.apply((Absent) this);
  }

  /**
   * There is one version, or {@link ConflictMode#PICK_LATEST} chose it.
   *
   * @param version the version, which holds a value
   * @param context covers all that is stored
   * @param report how the answer came about
   */
  record Found(Version version, CausalContext context, ReadReport report) implements GetResult {
    public Found {
      // Checks that there is a value.
      version.value().orElseThrow(() -> new IllegalArgumentException("a deletion is not found"));
      Objects.requireNonNull(context, "context");
      Objects.requireNonNull(report, "report");
    }

    /**
     * The value.
     *
     * @return the value of the version
     */
    public Value value() {
      return version.value().orElseThrow();
    }

    @Override
    public List<Version> versions() {
      return List.of(version);
    }
  }

  /**
   * Several versions raced. Merge them, and put the result with the context.
   *
   * @param versions sorted by dot; at least one has a value, some may be deletions
   * @param context covers all of them
   * @param report how the answer came about
   */
  record Conflict(List<Version> versions, CausalContext context, ReadReport report)
      implements GetResult {
    public Conflict {
      // Copies the versions.
      versions = List.copyOf(versions);
      Objects.requireNonNull(context, "context");
      Objects.requireNonNull(report, "report");
    }

    /**
     * The values that raced, without the deletions.
     *
     * @return at least one value
     */
    public List<Value> values() {
      return versions.stream().map(Version::value).flatMap(Optional::stream).toList();
    }
  }

  /**
   * Never written, deleted or expired.
   *
   * @param context covers the deletion, if there is one: a put with it supersedes that
   * @param report how the answer came about
   */
  record Absent(CausalContext context, ReadReport report) implements GetResult {
    public Absent {
      // Checks that nothing is null.
      Objects.requireNonNull(context, "context");
      Objects.requireNonNull(report, "report");
    }

    @Override
    public List<Version> versions() {
      return List.of();
    }
  }
}
