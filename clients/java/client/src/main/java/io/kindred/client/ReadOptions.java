package io.kindred.client;

import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;

/** How a read is carried out. What is not set is as the bucket says. */
public final class ReadOptions {

  /** As the bucket says. */
  public static final ReadOptions DEFAULT = builder().build();

  private final Optional<Consistency> consistency;
  private final OptionalInt replicas;
  private final Optional<CausalContext> minContext;
  private final Optional<ConflictMode> onConflict;
  private final boolean omitData;
  private final List<Consistency> fallback;

  private ReadOptions(Builder builder) {
    consistency = builder.consistency;
    replicas = builder.replicas;
    minContext = builder.minContext;
    onConflict = builder.onConflict;
    omitData = builder.omitData;
    fallback = builder.fallback;
  }

  /**
   * Begins with nothing set.
   *
   * @return a new builder
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Sets the level, and nothing else.
   *
   * @param level how many replicas must answer
   * @return the options
   */
  public static ReadOptions at(Consistency level) {
    return builder().consistency(level).build();
  }

  /**
   * Begins with these options.
   *
   * @return a new builder
   */
  public Builder toBuilder() {
    Builder builder = new Builder();
    builder.consistency = consistency;
    builder.replicas = replicas;
    builder.minContext = minContext;
    builder.onConflict = onConflict;
    builder.omitData = omitData;
    builder.fallback = fallback;
    return builder;
  }

  /**
   * The level.
   *
   * @return empty: as the bucket says, or a number of replicas
   */
  public Optional<Consistency> consistency() {
    return consistency;
  }

  /**
   * The number of replicas that must answer, in place of a level.
   *
   * @return empty: as the level says
   */
  public OptionalInt replicas() {
    return replicas;
  }

  /**
   * What the answer must include.
   *
   * @return empty: no such demand
   */
  public Optional<CausalContext> minContext() {
    return minContext;
  }

  /**
   * What to do when the key holds several versions.
   *
   * @return empty: answer all
   */
  public Optional<ConflictMode> onConflict() {
    return onConflict;
  }

  /**
   * Whether the data of the values are left out of the answer.
   *
   * @return false: the data come along
   */
  public boolean omitData() {
    return omitData;
  }

  /**
   * The weaker levels that are accepted if the one asked for cannot be met.
   *
   * @return in this order; empty: none
   */
  public List<Consistency> fallback() {
    return fallback;
  }

  /** Builds {@link ReadOptions}. */
  public static final class Builder {
    private Optional<Consistency> consistency = Optional.empty();
    private OptionalInt replicas = OptionalInt.empty();
    private Optional<CausalContext> minContext = Optional.empty();
    private Optional<ConflictMode> onConflict = Optional.empty();
    private boolean omitData;
    private List<Consistency> fallback = List.of();

    private Builder() {}

    /**
     * Sets the level, in place of a number of replicas.
     *
     * @param level how many replicas must answer
     * @return this builder
     */
    public Builder consistency(Consistency level) {
      consistency = Optional.of(level);
      replicas = OptionalInt.empty();
      return this;
    }

    /**
     * Sets the number of replicas that must answer, in place of a level.
     *
     * @param number 1 to N
     * @return this builder
     */
    public Builder replicas(int number) {
      replicas = OptionalInt.of(number);
      consistency = Optional.empty();
      return this;
    }

    /**
     * Demands that the answer includes what a context covers: read your writes at any level.
     *
     * @param context a context of the same key
     * @return this builder
     */
    public Builder minContext(CausalContext context) {
      minContext = Optional.of(context);
      return this;
    }

    /**
     * Says what to do when the key holds several versions.
     *
     * @param mode answer all, answer the last, or fail
     * @return this builder
     */
    public Builder onConflict(ConflictMode mode) {
      onConflict = Optional.of(mode);
      return this;
    }

    /**
     * Leaves the data of the values out of the answer.
     *
     * @param omit whether to
     * @return this builder
     */
    public Builder omitData(boolean omit) {
      omitData = omit;
      return this;
    }

    /**
     * Accepts weaker levels if the one asked for cannot be met; the report tells which it was.
     *
     * @param levels none stronger than the one before
     * @return this builder
     */
    public Builder fallback(Consistency... levels) {
      fallback = List.of(levels);
      return this;
    }

    /**
     * Ends the building.
     *
     * @return the options
     */
    public ReadOptions build() {
      return new ReadOptions(this);
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ReadOptions that
        && consistency.equals(that.consistency)
        && replicas.equals(that.replicas)
        && minContext.equals(that.minContext)
        && onConflict.equals(that.onConflict)
        && omitData == that.omitData
        && fallback.equals(that.fallback);
  }

  @Override
  public int hashCode() {
    return Objects.hash(consistency, replicas, minContext, onConflict, omitData, fallback);
  }
}
