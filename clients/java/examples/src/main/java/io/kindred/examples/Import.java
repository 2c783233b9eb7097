package io.kindred.examples;

import io.kindred.client.Key;
import io.kindred.client.KindredClient;
import io.kindred.client.KindredPipeline;
import io.kindred.client.Value;
import java.util.concurrent.atomic.AtomicInteger;

/** Loads many records through a pipeline. */
public final class Import {

  private static final int RECORDS = 5_000;

  /**
   * Runs the example.
   *
   * @param nodes the nodes of a cluster, as host:port
   */
  public static void main(String[] nodes) {
    AtomicInteger stored = new AtomicInteger();
    try (KindredClient client = KindredClient.builder().endpoints(nodes).build()) {
      // Closing the pipeline waits for all answers. put() itself waits while 1,024 are under way.
      try (KindredPipeline pipeline = client.pipeline()) {
        for (int i = 0; i < RECORDS; i++) {
          Key key = Key.of("default", "record/" + i);
          pipeline
              .put(key, Value.of("content of " + i))
              .whenComplete(
                  (result, error) -> {
                    if (error == null) {
                      stored.incrementAndGet();
                    } else {
                      System.err.println(key + ": " + error.getMessage());
                    }
                  });
        }
      }
      System.out.println("stored " + stored + " of " + RECORDS);
    }
  }

  private Import() {}
}
