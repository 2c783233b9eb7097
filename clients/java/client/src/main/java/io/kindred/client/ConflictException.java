package io.kindred.client;

import io.grpc.Status;
import java.util.List;
import java.util.Optional;

/**
 * An {@linkplain KindredClient#update update} met versions that raced, and could not make one of
 * them: nobody has given a resolver, the resolver failed after the write (which is the cause then),
 * or others wrote faster for as long as it tried.
 */
public final class ConflictException extends KindredException {

  private static final long serialVersionUID = 1L;

  private final boolean applied;
  private final transient List<Version> versions;
  private final transient CausalContext context;

  ConflictException(
      String message,
      boolean applied,
      WriteOutcome outcome,
      List<Version> versions,
      CausalContext context,
      Optional<ErrorDetail> detail,
      int attempts,
      String endpoint,
      Throwable cause) {
    super(
        message,
        Status.Code.FAILED_PRECONDITION,
        outcome,
        detail,
        Optional.empty(),
        attempts,
        endpoint,
        cause);
    this.applied = applied;
    this.versions = List.copyOf(versions);
    this.context = context;
  }

  /**
   * Whether the value that the update made is stored, as one of the versions.
   *
   * @return false if no write of this update is known to be applied, see {@link #outcome()}
   */
  public boolean applied() {
    return applied;
  }

  /**
   * The versions that raced, as far as they are known.
   *
   * @return the versions that were read last, sorted by dot
   */
  public List<Version> versions() {
    return versions == null ? List.of() : versions;
  }

  /**
   * Covers the versions: a put with it resolves them.
   *
   * @return what was seen last
   */
  public CausalContext context() {
    return context;
  }
}
