package io.kindred.bench.cassandra;

import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.DefaultConsistencyLevel;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import com.datastax.oss.driver.api.core.cql.SimpleStatement;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Sessions of the driver, by how many connections they have; each is kept until the end. */
final class Sessions implements AutoCloseable {
  private static final String datacenter = "datacenter1";
  private static final String createKeyspace =
      "CREATE KEYSPACE IF NOT EXISTS bench"
          + " WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 3}";
  private static final String createTable =
      "CREATE TABLE IF NOT EXISTS bench.records (key blob PRIMARY KEY, value blob)";
  private static final String put = "INSERT INTO bench.records (key, value) VALUES (?, ?)";
  private static final String get = "SELECT value FROM bench.records WHERE key = ?";

  /** A busy machine takes its time: an operation that is late is slow, and not failed. */
  private static final Duration answerWaitMax = Duration.ofSeconds(10);

  /** More than is ever in flight on one connection; the driver refuses what is beyond. */
  private static final int inFlightMax = 8_192;

  private final List<InetSocketAddress> nodes;
  private final Map<Integer, CqlSession> byConnections = new HashMap<>();

  Sessions(List<InetSocketAddress> nodes) {
    this.nodes = nodes;
  }

  /** Three copies of each key, one on each node. All else is as Cassandra has it. */
  void createTable() {
    CqlSession session = session(nodes.size());
    session.execute(SimpleStatement.newInstance(createKeyspace).setTimeout(answerWaitMax));
    session.execute(SimpleStatement.newInstance(createTable).setTimeout(answerWaitMax));
  }

  /** One operation at one level, prepared. {@code connections} are spread over the nodes evenly. */
  Records open(int connections, boolean puts, String level) {
    CqlSession session = session(connections);
    SimpleStatement statement =
        SimpleStatement.newInstance(puts ? put : get)
            .setConsistencyLevel(DefaultConsistencyLevel.valueOf(level));
    return new Records(session, session.prepare(statement), puts);
  }

  @Override
  public void close() {
    byConnections.values().forEach(CqlSession::close);
  }

  private CqlSession session(int connections) {
    return byConnections.computeIfAbsent(
        Math.max(1, connections / nodes.size()),
        perNode ->
            CqlSession.builder()
                .addContactPoints(nodes)
                .withLocalDatacenter(datacenter)
                .withConfigLoader(
                    DriverConfigLoader.programmaticBuilder()
                        .withInt(DefaultDriverOption.CONNECTION_POOL_LOCAL_SIZE, perNode)
                        .withInt(DefaultDriverOption.CONNECTION_MAX_REQUESTS, inFlightMax)
                        .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, answerWaitMax)
                        .build())
                .build());
  }
}
