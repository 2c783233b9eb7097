package io.kindred.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.kindred.v1.GetPlacementResponse;
import io.kindred.v1.PlacementNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;

class PlacementTest {

  /** The vectors that all clients and the nodes share. */
  private static final Path VECTORS = Path.of("../../../test/golden/key-tokens.json");

  private static GetPlacementResponse.Builder table() {
    return GetPlacementResponse.newBuilder()
        .setTopologyEpoch(3)
        .setHash("xxh64")
        .setPartitionBits(1)
        .setReplication(2)
        .addNodes(PlacementNode.newBuilder().setId("n1").setAddress("127.0.0.1:1"))
        .addNodes(PlacementNode.newBuilder().setId("n2").setAddress("127.0.0.1:2"))
        .addNodes(PlacementNode.newBuilder().setId("n3").setAddress("127.0.0.1:3"))
        .addAllHomes(List.of(0, 1, 2, 0));
  }

  @Test
  void tokensAndPartitionsAreThoseOfTheSharedVectors() throws IOException {
    JsonObject golden = JsonParser.parseString(Files.readString(VECTORS)).getAsJsonObject();
    int bits = Integer.numberOfTrailingZeros(golden.get("partitions").getAsInt());
    List<JsonElement> vectors = golden.getAsJsonArray("vectors").asList();
    assertEquals(1_000, vectors.size());
    for (JsonElement element : vectors) {
      JsonObject vector = element.getAsJsonObject();
      Key key =
          Key.of(
              vector.get("bucket").getAsString(),
              Base64.getDecoder().decode(vector.get("key").getAsString()));
      long token = Placement.token(key);
      assertEquals(vector.get("token").getAsString(), String.format("%016x", token), key::toString);
      assertEquals(vector.get("partition").getAsInt(), Placement.partition(token, bits));
    }
  }

  @Test
  void homesAreThoseOfTheKeysPartition() {
    Placement placement = Placement.of(table().build());
    Key upper = Key.of("default", new byte[] {0});
    assertEquals("afb1d32abab98040", placement.locate(upper).tokenHex());
    assertEquals(1, placement.locate(upper).partition());
    assertEquals(List.of("n3", "n1"), placement.locate(upper).homes());
    assertEquals(List.of("127.0.0.1:3", "127.0.0.1:1"), placement.homeAddresses(upper));
    Key lower = Key.of("default", "user:2");
    assertEquals(List.of("n1", "n2"), placement.locate(lower).homes());
  }

  @Test
  void onePartitionHoldsEverything() {
    assertEquals(0, Placement.partition(-1L, 0));
  }

  @Test
  void refusesTablesThatDoNotHoldTogether() {
    for (GetPlacementResponse.Builder broken :
        List.of(
            table().setHash("md5"),
            table().setPartitionBits(2),
            table().setPartitionBits(40),
            table().setReplication(0),
            table().setHomes(0, 3))) {
      assertThrows(IllegalArgumentException.class, () -> Placement.of(broken.build()));
    }
  }
}
