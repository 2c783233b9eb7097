package io.kindred.client;

import java.util.Optional;

/** One write of a batch. */
public sealed interface Mutation {

  /**
   * Which key it is for.
   *
   * @return the key
   */
  Key key();

  /**
   * How it is written.
   *
   * @return empty: as the batch says
   */
  Optional<WriteOptions> write();

  /**
   * Stores a value.
   *
   * @param key where
   * @param value what
   * @param options how; without {@link PutOptions#write()}, as the batch says
   */
  record Put(Key key, Value value, PutOptions options) implements Mutation {
    @Override
    public Optional<WriteOptions> write() {
      return options.write();
    }
  }

  /**
   * Deletes a key.
   *
   * @param key which
   * @param options how; without {@link DeleteOptions#write()}, as the batch says
   */
  record Delete(Key key, DeleteOptions options) implements Mutation {
    @Override
    public Optional<WriteOptions> write() {
      return options.write();
    }
  }

  /**
   * Stores a value.
   *
   * @param key where
   * @param value what
   * @return the mutation, with default options
   */
  static Mutation put(Key key, Value value) {
    return new Put(key, value, PutOptions.DEFAULT);
  }

  /**
   * Deletes a key.
   *
   * @param key which
   * @return the mutation, with default options
   */
  static Mutation delete(Key key) {
    return new Delete(key, DeleteOptions.DEFAULT);
  }
}
