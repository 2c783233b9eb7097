package io.kindred.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.inprocess.InProcessChannelBuilder;
import io.kindred.v1.GetPlacementResponse;
import io.kindred.v1.PlacementNode;
import io.kindred.v1.ReadReport;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Two partitions: the key of a zero byte lives in the upper one, "user:2" in the lower one. */
@Timeout(60)
class DirectRoutingTest {

  private static final AtomicInteger NAMES = new AtomicInteger();
  private static final Key UPPER = Key.of("default", new byte[] {0});
  private static final Key LOWER = Key.of("default", "user:2");

  private final ScriptedNode seed = new ScriptedNode("seed-" + NAMES.incrementAndGet());
  private final ScriptedNode home = new ScriptedNode("home-" + NAMES.incrementAndGet());

  @AfterEach
  void close() {
    seed.close();
    home.close();
  }

  private KindredClient client() {
    return KindredClient.builder()
        .endpoints(seed.name())
        .directRouting(true)
        .channels(InProcessChannelBuilder::forName)
        .build();
  }

  private static GetPlacementResponse table(long epoch, String lower, String upper) {
    return GetPlacementResponse.newBuilder()
        .setTopologyEpoch(epoch)
        .setHash("xxh64")
        .setPartitionBits(1)
        .setReplication(1)
        .addNodes(PlacementNode.newBuilder().setId("n1").setAddress(lower))
        .addNodes(PlacementNode.newBuilder().setId("n2").setAddress(upper))
        .addAllHomes(List.of(0, 1))
        .build();
  }

  @Test
  void sendsAKeyToItsHomeAlsoIfThatIsNoEndpoint() {
    seed.placement = table(1, seed.name(), home.name());
    try (KindredClient client = client()) {
      assertEquals(List.of("n2"), client.locate(UPPER).homes());
      for (int i = 0; i < 5; i++) {
        client.get(UPPER);
        client.put(UPPER, Value.of("x"));
        client.get(LOWER);
      }
    }
    assertEquals(5, home.gets.size());
    assertEquals(5, home.puts.size());
    assertEquals(5, seed.gets.size());
    assertEquals(0, seed.puts.size());
    assertEquals(1, seed.placementsAsked.get());
  }

  @Test
  void goesOnWhereTheHomeIsNotThere() {
    seed.placement = table(1, seed.name(), "nobody-is-called-this");
    try (KindredClient client = client()) {
      client.locate(UPPER);
      for (int i = 0; i < 5; i++) {
        assertInstanceOf(GetResult.Absent.class, client.get(UPPER));
      }
    }
    assertEquals(5, seed.gets.size());
  }

  @Test
  void goesOnWithoutATable() {
    try (KindredClient client = client()) {
      assertInstanceOf(GetResult.Absent.class, client.get(UPPER));
    }
  }

  @Test
  void asksAgainWhenAReportIsOfAnotherLayout() {
    seed.placement = table(1, seed.name(), seed.name());
    try (KindredClient client = client()) {
      client.locate(UPPER);
      seed.placement = table(2, home.name(), home.name());
      seed.onGet =
          (request, answer) ->
              ScriptedNode.succeed(
                  answer,
                  ScriptedNode.absent("c").toBuilder()
                      .setReport(ReadReport.newBuilder().setTopologyEpoch(2))
                      .build());
      // At most once a second, so that this takes about as long.
      while (home.gets.isEmpty()) {
        client.get(UPPER);
      }
      assertEquals(2, seed.placementsAsked.get());
      assertTrue(seed.gets.size() > 1);
    }
  }
}
