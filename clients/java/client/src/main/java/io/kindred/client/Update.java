package io.kindred.client;

import java.util.Optional;
import java.util.function.Function;

/** What an update makes of a key: a new value, nothing at all, or no change. */
public sealed interface Update {

  /**
   * Store a value.
   *
   * @param value what to store
   */
  record Put(Value value) implements Update {}

  /** Delete the key. */
  record Delete() implements Update {}

  /** Leave the key as it is. */
  record Keep() implements Update {}

  /**
   * Store a value.
   *
   * @param value what to store
   * @return the update
   */
  static Update put(Value value) {
    return new Put(value);
  }

  /**
   * Delete the key.
   *
   * @return the update
   */
  static Update delete() {
    return new Delete();
  }

  /**
   * Leave the key as it is: nothing is written.
   *
   * @return the update
   */
  static Update keep() {
    return new Keep();
  }

  /** Makes an update of what the key holds. */
  @FunctionalInterface
  interface Step extends Function<Optional<Value>, Update> {

    /**
     * Makes a new value. Called again with what the key holds then, if the write before was
     * certainly not applied; perhaps on another thread.
     *
     * @param current the value, resolved where versions had raced; empty: the key is absent
     * @return what to do
     */
    @Override
    Update apply(Optional<Value> current);
  }
}
