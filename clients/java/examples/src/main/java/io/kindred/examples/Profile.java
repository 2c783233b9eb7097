package io.kindred.examples;

import io.kindred.client.Consistency;
import io.kindred.client.GetResult.Found;
import io.kindred.client.Key;
import io.kindred.client.KindredClient;
import io.kindred.client.KindredSession;
import io.kindred.client.ReadOptions;
import io.kindred.client.Value;
import io.kindred.client.WriteOptions;

/** Reads at ONE, the fastest level, and sees its own writes all the same. */
public final class Profile {

  /**
   * Runs the example.
   *
   * @param nodes the nodes of a cluster, as host:port
   */
  public static void main(String[] nodes) {
    try (KindredClient client =
        KindredClient.builder()
            .endpoints(nodes)
            .defaultRead(ReadOptions.at(Consistency.ONE))
            .defaultWrite(WriteOptions.at(Consistency.ONE))
            .build()) {
      KindredSession session = client.session();
      Key profile = Key.of("default", "profile/7");
      for (int version = 1; version <= 20; version++) {
        session.put(profile, Value.of("version " + version));
        // Another replica may answer, and may not have the write yet: then it is asked elsewhere.
        if (session.get(profile) instanceof Found found
            && !found.value().text().equals("version " + version)) {
          throw new IllegalStateException("read " + found.value().text());
        }
      }
      System.out.println("read 20 of 20 own writes at ONE");
    }
  }

  private Profile() {}
}
