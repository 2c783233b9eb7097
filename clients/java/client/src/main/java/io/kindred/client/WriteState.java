package io.kindred.client;

/** What became of the write with a request id. */
public sealed interface WriteState permits WriteState.Applied, WriteState.NotSeen {

  /**
   * What the replicas that were asked hold.
   *
   * @return the context that covers it
   */
  CausalContext context();

  /**
   * The write has happened.
   *
   * @param dot the name of the version that it made
   * @param context what the replicas that were asked hold
   */
  record Applied(Dot dot, CausalContext context) implements WriteState {}

  /**
   * None of the replicas that were asked holds the write: it was not applied, or is on its way, or
   * was superseded since. After an answer at {@link Consistency#ALL}, and with no write since, it
   * was not applied.
   *
   * @param context what the replicas that were asked hold
   */
  record NotSeen(CausalContext context) implements WriteState {}
}
