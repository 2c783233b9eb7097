package io.kindred.bench.cassandra;

import java.io.IOException;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import javax.management.JMException;
import javax.management.MBeanServerConnection;
import javax.management.ObjectName;
import javax.management.remote.JMXConnector;
import javax.management.remote.JMXConnectorFactory;
import javax.management.remote.JMXServiceURL;

/** The ring as each node sees it, which is what {@code nodetool status} prints. */
final class Ring {
  private static final long pollMs = 200;

  private Ring() {}

  /** Returns when every node sees all nodes up and normal (UN), and throws when that takes longer. */
  static void awaitWhole(List<Integer> jmxPorts, Duration most) throws InterruptedException {
    long giveUpAt = System.nanoTime() + most.toNanos();
    for (int port : jmxPorts) {
      for (String seen = seenBy(port, jmxPorts.size()); seen != null; ) {
        if (System.nanoTime() > giveUpAt) throw new IllegalStateException(seen);
        Thread.sleep(pollMs);
        seen = seenBy(port, jmxPorts.size());
      }
    }
  }

  /** What is not well yet in the eyes of one node, or null. */
  private static String seenBy(int jmxPort, int nodes) {
    String url = "service:jmx:rmi:///jndi/rmi://127.0.0.1:" + jmxPort + "/jmxrmi";
    try (JMXConnector connector = JMXConnectorFactory.connect(new JMXServiceURL(url))) {
      MBeanServerConnection beans = connector.getMBeanServerConnection();
      int live = count(beans, "LiveNodesWithPort");
      int moving =
          count(beans, "JoiningNodesWithPort")
              + count(beans, "LeavingNodesWithPort")
              + count(beans, "MovingNodesWithPort");
      if (live == nodes && moving == 0) return null;
      return "the node of JMX port " + jmxPort + " sees " + live + " nodes up and " + moving
          + " of them not normal, of " + nodes;
    } catch (IOException | JMException error) {
      return "the node of JMX port " + jmxPort + " does not tell its ring: " + error;
    }
  }

  private static int count(MBeanServerConnection beans, String attribute)
      throws IOException, JMException {
    ObjectName service = new ObjectName("org.apache.cassandra.db:type=StorageService");
    return ((Collection<?>) beans.getAttribute(service, attribute)).size();
  }
}
