package io.kindred.client;

/**
 * The result of one item of a batch. Items succeed or fail alone, so a failure is a value here.
 *
 * @param <T> what a success brings
 */
public sealed interface BatchItem<T> {

  /**
   * Which item it is.
   *
   * @return its position in what was asked for, from 0
   */
  int index();

  /**
   * What came of it, for callers to whom one failure is as bad as all.
   *
   * @return the answer
   * @throws KindredException if the item failed
   */
  T orThrow();

  /**
   * The item succeeded.
   *
   * @param <T> what a success brings
   * @param index its position, from 0
   * @param result the answer
   */
  record Success<T>(int index, T result) implements BatchItem<T> {
    @Override
    public T orThrow() {
      return result;
    }
  }

  /**
   * The item failed.
   *
   * @param <T> what a success would have brought
   * @param index its position, from 0
   * @param error why
   */
  record Failure<T>(int index, KindredException error) implements BatchItem<T> {
    @Override
    public T orThrow() {
      throw error;
    }
  }
}
