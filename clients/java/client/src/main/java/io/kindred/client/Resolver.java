package io.kindred.client;

import java.util.List;
import java.util.Optional;

/**
 * Makes one state of versions that raced. Whoever resolves the same versions must come to the same
 * result: independent of their order, of how they were grouped before, and of how often
 * (commutative, associative and idempotent), for several clients may resolve at once.
 */
@FunctionalInterface
public interface Resolver {

  /**
   * Resolves.
   *
   * @param versions at least two, sorted by dot, deletions among them
   * @return the value that stands for all of them; empty: the key is to be deleted
   */
  Optional<Value> resolve(List<Version> versions);
}
