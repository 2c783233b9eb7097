package io.kindred.bench.cassandra;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;

/**
 * Sends loads to a cluster, one after the other, in one process, so that what the first one had compiled serves the others.
 *
 * <p>Arguments: the nodes ({@code 127.0.0.1:9042,...}) and their JMX ports. It waits until all nodes are up and normal, makes the
 * table, and says {@code ready}. Then each load is two lines on standard input, and each is answered by one line on standard output:
 *
 * <pre>
 * open OPERATION LEVEL CONNECTIONS IN_FLIGHT KEYS VALUE_BYTES  ->  opened
 * run FROM_MS UNTIL_MS  (since 1970; or: once)                 ->  figures as JSON
 * </pre>
 *
 * <p>OPERATION is {@code put} or {@code get}, LEVEL a consistency level of Cassandra, IN_FLIGHT counts operations over all
 * connections, and {@code once} writes every key once. The process ends when standard input does.
 */
final class LoadProcess {
  private static final Duration ringWaitMax = Duration.ofMinutes(3);

  private LoadProcess() {}

  public static void main(String[] arguments) throws IOException, InterruptedException {
    List<InetSocketAddress> nodes =
        Arrays.stream(arguments[0].split(",")).map(LoadProcess::address).toList();
    List<Integer> jmxPorts = Arrays.stream(arguments[1].split(",")).map(Integer::valueOf).toList();
    Ring.awaitWhole(jmxPorts, ringWaitMax);
    try (Sessions sessions = new Sessions(nodes);
        BufferedReader input =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      sessions.createTable();
      System.out.println("ready");
      for (String line = input.readLine(); line != null; line = input.readLine()) {
        ClosedLoad load = opened(sessions, line.split(" "));
        System.out.println("opened");
        String[] window = input.readLine().split(" ");
        Figures figures =
            window[0].equals("once")
                ? load.eachKeyOnce()
                : load.within(Double.parseDouble(window[1]), Double.parseDouble(window[2]));
        System.out.println(figures.json());
      }
    }
    // Threads of the driver would keep the process alive.
    System.exit(0);
  }

  private static ClosedLoad opened(Sessions sessions, String[] words) {
    boolean puts = words[1].equals("put");
    Records records = sessions.open(Integer.parseInt(words[3]), puts, words[2]);
    return new ClosedLoad(
        records, Integer.parseInt(words[4]), Integer.parseInt(words[5]), Integer.parseInt(words[6]));
  }

  private static InetSocketAddress address(String text) {
    int colon = text.lastIndexOf(':');
    return new InetSocketAddress(
        text.substring(0, colon), Integer.parseInt(text.substring(colon + 1)));
  }
}
