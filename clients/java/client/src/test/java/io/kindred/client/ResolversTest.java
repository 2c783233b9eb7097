package io.kindred.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ResolversTest {

  private static final Resolver UNION =
      Resolvers.union(
          value -> Arrays.asList(value.text().split(",")),
          items -> Value.of(String.join(",", items)));
  private static final Resolver GREATEST =
      Resolvers.merging(
          value -> Long.parseLong(value.text()),
          Math::max,
          number -> Value.of(Long.toString(number)));

  static Version version(long counter, long writtenAt, String text) {
    return new Version(
        Optional.ofNullable(text).map(Value::of),
        new Dot(7, 1, counter),
        new VectorClock(List.of()),
        Instant.ofEpochSecond(writtenAt),
        Optional.empty());
  }

  private static Optional<String> resolve(Resolver resolver, Version... versions) {
    return resolver.resolve(List.of(versions)).map(Value::text);
  }

  @Test
  void lastWriterKeepsTheLatest() {
    assertEquals(
        Optional.of("new"),
        resolve(Resolvers.lastWriter(), version(1, 20, "new"), version(2, 10, "old")));
  }

  @Test
  void lastWriterBreaksTiesByDot() {
    assertEquals(
        Optional.of("b"),
        resolve(Resolvers.lastWriter(), version(2, 10, "b"), version(1, 10, "a")));
  }

  @Test
  void lastWriterDeletesIfADeletionWasLast() {
    assertEquals(
        Optional.empty(),
        resolve(Resolvers.lastWriter(), version(1, 10, "old"), version(2, 20, null)));
  }

  @Test
  void unionTakesDeletionsForEmpty() {
    assertEquals(
        Optional.of("a,b,c"),
        resolve(UNION, version(1, 1, "b,a"), version(2, 2, null), version(3, 3, "c,b")));
  }

  @Test
  void mergingPrefersAValueToADeletion() {
    assertEquals(Optional.of("9"), resolve(GREATEST, version(1, 1, "9"), version(2, 2, null)));
    assertEquals(Optional.empty(), resolve(GREATEST, version(1, 1, null), version(2, 2, null)));
  }

  @Test
  void theOrderOfVersionsDoesNotMatter() {
    Random random = new Random(42);
    for (int round = 0; round < 200; round++) {
      List<Version> versions =
          new ArrayList<>(
              IntStream.range(0, 2 + random.nextInt(4))
                  .mapToObj(
                      i ->
                          version(
                              i,
                              random.nextInt(3),
                              random.nextInt(4) == 0 ? null : "" + random.nextInt(5)))
                  .toList());
      List<Version> shuffled = new ArrayList<>(versions);
      Collections.shuffle(shuffled, random);
      for (Resolver resolver : List.of(UNION, GREATEST, Resolvers.lastWriter())) {
        assertEquals(resolver.resolve(versions), resolver.resolve(shuffled));
      }
    }
  }
}
