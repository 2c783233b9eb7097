package io.kindred.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Each example does what it says, against three real nodes. */
class ExamplesTest {

  private static LocalCluster cluster;

  @BeforeAll
  static void start() throws IOException, InterruptedException {
    cluster = new LocalCluster();
  }

  @AfterAll
  static void stop() {
    if (cluster != null) {
      cluster.close();
    }
  }

  private static List<String> run(Consumer<String[]> main) {
    PrintStream before = System.out;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
    try {
      main.accept(cluster.endpoints());
    } finally {
      System.setOut(before);
    }
    return printed.toString(StandardCharsets.UTF_8).lines().toList();
  }

  @Test
  void cart() {
    List<String> lines = run(Cart::main);
    assertEquals(3, lines.size(), lines::toString);
    assertTrue(
        List.of("conflict: [eggs,milk, bread,milk]", "conflict: [bread,milk, eggs,milk]")
            .contains(lines.get(0)),
        lines::toString);
    assertEquals("resolved: bread,eggs,milk", lines.get(1));
    assertEquals("updated: bread,eggs,milk,salt", lines.get(2));
  }

  @Test
  void profile() {
    assertEquals(List.of("read 20 of 20 own writes at ONE"), run(Profile::main));
  }

  @Test
  void importRecords() {
    assertEquals(List.of("stored 5000 of 5000"), run(Import::main));
  }

  @Test
  void outcomes() {
    assertEquals(
        List.of("seen: true", "refused, and certainly not applied: true"), run(Outcomes::main));
  }

  /** Who copies from the README gets the program that was tested here. */
  @Test
  void theReadmeShowsTheCart() throws IOException {
    String readme = Files.readString(Path.of("../README.md"));
    String program =
        Files.readString(Path.of("src/main/java/io/kindred/examples/Cart.java"))
            .replace("package io.kindred.examples;\n\n", "");
    assertTrue(readme.contains(program), "the README shows another Cart.java");
  }
}
