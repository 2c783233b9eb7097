package io.kindred.client;

import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;

/** How a write is carried out. What is not set is as the bucket says. */
public final class WriteOptions {

  /** As the bucket says. */
  public static final WriteOptions DEFAULT = builder().build();

  private final Optional<Consistency> consistency;
  private final OptionalInt replicas;
  private final Optional<Handoff> handoff;
  private final Optional<Durability> durability;
  private final Optional<RequestId> requestId;

  private WriteOptions(Builder builder) {
    consistency = builder.consistency;
    replicas = builder.replicas;
    handoff = builder.handoff;
    durability = builder.durability;
    requestId = builder.requestId;
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
   * @param level how many replicas must acknowledge
   * @return the options
   */
  public static WriteOptions at(Consistency level) {
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
    builder.handoff = handoff;
    builder.durability = durability;
    builder.requestId = requestId;
    return builder;
  }

  /** The same with a request id: a new one unless there is one already. */
  WriteOptions identified() {
    return requestId.isPresent() ? this : toBuilder().requestId(RequestId.random()).build();
  }

  /** The same without a request id: for another write than the one it names. */
  WriteOptions anonymous() {
    if (requestId.isEmpty()) {
      return this;
    }
    Builder builder = toBuilder();
    builder.requestId = Optional.empty();
    return builder.build();
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
   * The number of replicas that must acknowledge, in place of a level.
   *
   * @return empty: as the level says
   */
  public OptionalInt replicas() {
    return replicas;
  }

  /**
   * Whether nodes that stand in for absent replicas count.
   *
   * @return empty: as the bucket says
   */
  public Optional<Handoff> handoff() {
    return handoff;
  }

  /**
   * When an acknowledgement counts.
   *
   * @return empty: as the bucket says
   */
  public Optional<Durability> durability() {
    return durability;
  }

  /**
   * The name of the write.
   *
   * @return empty: the client draws one for each write
   */
  public Optional<RequestId> requestId() {
    return requestId;
  }

  /** Builds {@link WriteOptions}. */
  public static final class Builder {
    private Optional<Consistency> consistency = Optional.empty();
    private OptionalInt replicas = OptionalInt.empty();
    private Optional<Handoff> handoff = Optional.empty();
    private Optional<Durability> durability = Optional.empty();
    private Optional<RequestId> requestId = Optional.empty();

    private Builder() {}

    /**
     * Sets the level, in place of a number of replicas.
     *
     * @param level how many replicas must acknowledge
     * @return this builder
     */
    public Builder consistency(Consistency level) {
      consistency = Optional.of(level);
      replicas = OptionalInt.empty();
      return this;
    }

    /**
     * Sets the number of replicas that must acknowledge, in place of a level.
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
     * Says whether nodes that stand in for absent replicas count.
     *
     * @param mode strict or sloppy
     * @return this builder
     */
    public Builder handoff(Handoff mode) {
      handoff = Optional.of(mode);
      return this;
    }

    /**
     * Says when an acknowledgement counts.
     *
     * @param mode what a replica must have done
     * @return this builder
     */
    public Builder durability(Durability mode) {
      durability = Optional.of(mode);
      return this;
    }

    /**
     * Names the write: for a write that is repeated over restarts of your program.
     *
     * @param id the same for each time that the write is sent, and for no other write
     * @return this builder
     */
    public Builder requestId(RequestId id) {
      requestId = Optional.of(id);
      return this;
    }

    /**
     * Ends the building.
     *
     * @return the options
     */
    public WriteOptions build() {
      return new WriteOptions(this);
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof WriteOptions that
        && consistency.equals(that.consistency)
        && replicas.equals(that.replicas)
        && handoff.equals(that.handoff)
        && durability.equals(that.durability)
        && requestId.equals(that.requestId);
  }

  @Override
  public int hashCode() {
    return Objects.hash(consistency, replicas, handoff, durability, requestId);
  }
}
