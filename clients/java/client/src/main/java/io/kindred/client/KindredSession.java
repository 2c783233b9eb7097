package io.kindred.client;

/**
 * Operations that follow one another, and wait for their answers: each reads at least what the one
 * before on the same key saw or wrote, at any level and through any node, and each write supersedes
 * what the session has seen of its key. Operations on one key run one after the other, also when
 * several threads ask for them.
 *
 * <p>A session remembers the contexts of the keys that it used last. What it says of a key that it
 * has forgotten is as of one that it never saw: a read may be stale, and a write is blind.
 *
 * <p>Safe for use by many threads.
 */
public final class KindredSession {

  private final KindredAsyncSession async;

  KindredSession(KindredAsyncSession async) {
    this.async = async;
  }

  /**
   * The asynchronous view of this session.
   *
   * @return a session that shares what is remembered
   */
  public KindredAsyncSession async() {
    return async;
  }

  /**
   * Reads a key.
   *
   * @param key which
   * @return its state, which is never older than what the session knows
   * @throws KindredException if it fails
   */
  public GetResult get(Key key) {
    return Blocking.call(() -> async.get(key));
  }

  /**
   * Reads a key.
   *
   * @param key which
   * @param options how; the minimal context is that of the session if it has one
   * @return its state, which is never older than what the session knows
   * @throws KindredException if it fails
   */
  public GetResult get(Key key, ReadOptions options) {
    return Blocking.call(() -> async.get(key, options));
  }

  /**
   * Stores a value in place of what the session has seen of the key, or blindly if it has not.
   *
   * @param key where
   * @param value what
   * @return the name of the write
   * @throws KindredException if it fails
   */
  public WriteResult put(Key key, Value value) {
    return Blocking.call(() -> async.put(key, value));
  }

  /**
   * Stores a value in place of what the session has seen of the key, or blindly if it has not.
   *
   * @param key where
   * @param value what
   * @param options when it expires, how it is written; without a causality, which is the session's
   * @return the name of the write
   * @throws KindredException if it fails
   */
  public WriteResult put(Key key, Value value, PutOptions options) {
    return Blocking.call(() -> async.put(key, value, options));
  }

  /**
   * Deletes what the session has seen of the key, or blindly if it has not.
   *
   * @param key which
   * @return the name of the deletion
   * @throws KindredException if it fails
   */
  public WriteResult delete(Key key) {
    return Blocking.call(() -> async.delete(key));
  }

  /**
   * Deletes what the session has seen of the key, or blindly if it has not.
   *
   * @param key which
   * @param options how it is written; without a causality, which is the session's
   * @return the name of the deletion
   * @throws KindredException if it fails
   */
  public WriteResult delete(Key key, DeleteOptions options) {
    return Blocking.call(() -> async.delete(key, options));
  }

  /**
   * Changes a key, as {@link KindredClient#update(Key, Update.Step)} does.
   *
   * @param key which
   * @param step makes the new value
   * @return what the key holds then
   * @throws KindredException if it fails
   */
  public UpdateResult update(Key key, Update.Step step) {
    return Blocking.call(() -> async.update(key, step));
  }

  /**
   * Changes a key, as {@link KindredClient#update(Key, Update.Step, UpdateOptions)} does.
   *
   * @param key which
   * @param step makes the new value
   * @param options how to read, resolve and write
   * @return what the key holds then
   * @throws KindredException if it fails
   */
  public UpdateResult update(Key key, Update.Step step, UpdateOptions options) {
    return Blocking.call(() -> async.update(key, step, options));
  }
}
