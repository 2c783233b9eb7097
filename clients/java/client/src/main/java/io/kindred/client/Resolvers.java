package io.kindred.client;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.BinaryOperator;
import java.util.function.Function;
import java.util.stream.Stream;

/** Resolvers for the usual cases. */
public final class Resolvers {

  private Resolvers() {}

  /**
   * Keeps the version that was written last, by the hybrid clocks of the replicas and then by dot.
   * The others are lost. A deletion that was written last deletes.
   *
   * @return the resolver
   */
  public static Resolver lastWriter() {
    return versions ->
        versions.stream()
            .max(Comparator.comparing(Version::writtenAt).thenComparing(Version::dot))
            .flatMap(Version::value);
  }

  /**
   * Merges values two by two, for example the greater of two numbers. A value wins over a deletion.
   *
   * @param <T> what the values hold
   * @param decode reads a value
   * @param merge of two; commutative, associative and idempotent
   * @param encode writes a value, the same for what is equal
   * @return the resolver
   */
  public static <T> Resolver merging(
      Function<? super Value, ? extends T> decode,
      BinaryOperator<T> merge,
      Function<? super T, Value> encode) {
    return versions -> values(versions).<T>map(decode).reduce(merge).map(encode);
  }

  /**
   * Unites sets. An item that one writer removed while another wrote comes back: a set that must
   * forget items has to remember what it removed. Deletions count as the empty set.
   *
   * @param <T> an item
   * @param decode reads the items of a value
   * @param encode writes the items, which come sorted and without repetition
   * @return the resolver
   */
  public static <T extends Comparable<? super T>> Resolver union(
      Function<? super Value, ? extends Collection<T>> decode,
      Function<? super Collection<T>, Value> encode) {
    return versions -> {
      TreeSet<T> items = new TreeSet<>();
      values(versions).forEach(value -> items.addAll(decode.apply(value)));
      return Optional.of(encode.apply(items));
    };
  }

  private static Stream<Value> values(List<Version> versions) {
    return versions.stream().map(Version::value).flatMap(Optional::stream);
  }
}
