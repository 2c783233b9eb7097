package io.kindred.client;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.TlsChannelCredentials;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.function.Supplier;

/** Sets up a client. Only the endpoints are required. */
public final class KindredClientBuilder {

  private static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(5);
  private static final int DEFAULT_ATTEMPTS = 4;

  /** A record may be 8 MiB, and raced writes may make it larger for a while. */
  private static final int MESSAGE_BYTES_MAX = 16 << 20;

  private static final int CONNECT_MILLIS_MAX = 2_000;
  private static final long KEEPALIVE_SECONDS = 20;
  private static final AtomicInteger CLIENTS = new AtomicInteger();

  private final List<String> endpoints = new ArrayList<>();
  private final Map<String, Resolver> resolvers = new HashMap<>();
  private Duration timeout = DEFAULT_TIMEOUT;
  private int attempts = DEFAULT_ATTEMPTS;
  private ChannelCredentials credentials = InsecureChannelCredentials.create();
  private Optional<Supplier<String>> token = Optional.empty();
  private ReadOptions defaultRead = ReadOptions.DEFAULT;
  private WriteOptions defaultWrite = WriteOptions.DEFAULT;
  private boolean directRouting;
  private Optional<Executor> executor = Optional.empty();
  private Function<String, ManagedChannelBuilder<?>> channels =
      address -> connectingSoon(Grpc.newChannelBuilder(address, credentials));

  KindredClientBuilder() {}

  /**
   * Adds nodes of the cluster. Any node serves any request; the client takes turns between them.
   *
   * @param addresses each {@code host:port}
   * @return this builder
   */
  public KindredClientBuilder endpoints(String... addresses) {
    return endpoints(List.of(addresses));
  }

  /**
   * Adds nodes of the cluster.
   *
   * @param addresses each {@code host:port}
   * @return this builder
   */
  public KindredClientBuilder endpoints(Collection<String> addresses) {
    endpoints.addAll(addresses);
    return this;
  }

  /**
   * Bounds each operation, all its attempts included. Default: 5 s. The server cuts what is longer
   * than its own limit, 10 s unless configured.
   *
   * @param limit more than zero
   * @return this builder
   */
  public KindredClientBuilder timeout(Duration limit) {
    if (limit.isNegative() || limit.isZero()) {
      throw new IllegalArgumentException("a timeout is more than zero, not " + limit);
    }
    timeout = limit;
    return this;
  }

  /**
   * Bounds how often an operation is tried. Default: 4.
   *
   * @param number the first attempt included; 1: nothing is tried again
   * @return this builder
   */
  public KindredClientBuilder attempts(int number) {
    if (number < 1) {
      throw new IllegalArgumentException("attempts are at least 1, not " + number);
    }
    attempts = number;
    return this;
  }

  /**
   * Connects with TLS, and trusts one authority.
   *
   * @param authority a file of certificates in PEM form
   * @return this builder
   * @throws IOException if the file cannot be read
   */
  public KindredClientBuilder tls(Path authority) throws IOException {
    return credentials(TlsChannelCredentials.newBuilder().trustManager(authority.toFile()).build());
  }

  /**
   * Connects with TLS both ways, and trusts one authority.
   *
   * @param authority a file of certificates in PEM form
   * @param certificate the file of this client's certificates in PEM form
   * @param privateKey the file of this client's private key in PEM form
   * @return this builder
   * @throws IOException if a file cannot be read
   */
  public KindredClientBuilder tls(Path authority, Path certificate, Path privateKey)
      throws IOException {
    return credentials(
        TlsChannelCredentials.newBuilder()
            .trustManager(authority.toFile())
            .keyManager(certificate.toFile(), privateKey.toFile())
            .build());
  }

  /**
   * Connects with any credentials of gRPC. Default: plain text.
   *
   * @param channelCredentials for example {@link TlsChannelCredentials#create()}
   * @return this builder
   */
  public KindredClientBuilder credentials(ChannelCredentials channelCredentials) {
    credentials = channelCredentials;
    return this;
  }

  /**
   * Sends a token with each call, as {@code authorization: Bearer ...}.
   *
   * @param source asked for each call; quick, and safe for use by many threads
   * @return this builder
   */
  public KindredClientBuilder bearerToken(Supplier<String> source) {
    token = Optional.of(source);
    return this;
  }

  /**
   * Says how to read where an operation does not say.
   *
   * @param options in place of what the bucket says
   * @return this builder
   */
  public KindredClientBuilder defaultRead(ReadOptions options) {
    defaultRead = options;
    return this;
  }

  /**
   * Says how to write where an operation does not say.
   *
   * @param options in place of what the bucket says; without a request id
   * @return this builder
   */
  public KindredClientBuilder defaultWrite(WriteOptions options) {
    if (options.requestId().isPresent()) {
      throw new IllegalArgumentException("a request id names one write, and cannot be a default");
    }
    defaultWrite = options;
    return this;
  }

  /**
   * Registers how updates resolve versions that raced.
   *
   * @param bucket for the keys of this bucket
   * @param resolver in place of the one before
   * @return this builder
   */
  public KindredClientBuilder resolver(String bucket, Resolver resolver) {
    resolvers.put(bucket, resolver);
    return this;
  }

  /**
   * Sends each key to a node that holds it, which saves a hop. Default: false. The client then
   * connects to all nodes, under the addresses that they themselves name.
   *
   * @param enabled whether to
   * @return this builder
   */
  public KindredClientBuilder directRouting(boolean enabled) {
    directRouting = enabled;
    return this;
  }

  /**
   * Runs what follows an answer on this executor. Default: a pool of daemon threads of the client.
   *
   * @param callbacks not shut down when the client is closed
   * @return this builder
   */
  public KindredClientBuilder executor(Executor callbacks) {
    executor = Optional.of(callbacks);
    return this;
  }

  /** Makes channels in another way, in tests. */
  KindredClientBuilder channels(Function<String, ManagedChannelBuilder<?>> factory) {
    channels = factory;
    return this;
  }

  /**
   * Makes a client that blocks, and begins to connect.
   *
   * @return the client, to be closed
   * @throws IllegalArgumentException if there is no endpoint
   */
  public KindredClient build() {
    return buildAsync().blocking();
  }

  /**
   * Makes a client that answers with futures, and begins to connect.
   *
   * @return the client, to be closed
   * @throws IllegalArgumentException if there is no endpoint
   */
  public KindredAsyncClient buildAsync() {
    if (endpoints.isEmpty()) {
      throw new IllegalArgumentException("a client needs at least one endpoint");
    }
    String name = "kindred-client-" + CLIENTS.incrementAndGet();
    Optional<ExecutorService> owned =
        executor.isPresent()
            ? Optional.empty()
            : Optional.of(Executors.newCachedThreadPool(daemons(name)));
    Executor callbacks = executor.orElseGet(owned::orElseThrow);
    ScheduledThreadPoolExecutor timer =
        new ScheduledThreadPoolExecutor(1, daemons(name + "-timer"));
    timer.setRemoveOnCancelPolicy(true);
    EndpointPool pool = new EndpointPool(endpoints, address -> connect(address, callbacks), timer);
    RetryPolicy policy = new RetryPolicy(attempts, () -> ThreadLocalRandom.current().nextDouble());
    Engine engine = new Engine(pool, policy, timeout, callbacks, owned, timer, directRouting);
    return new KindredAsyncClient(engine, defaultRead, defaultWrite, resolvers);
  }

  private ManagedChannel connect(String address, Executor callbacks) {
    ManagedChannelBuilder<?> channel =
        channels
            .apply(address)
            // This client retries by the contract of the server, which gRPC does not know.
            .disableRetry()
            .executor(callbacks)
            .maxInboundMessageSize(MESSAGE_BYTES_MAX)
            .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS);
    token.ifPresent(source -> channel.intercept(new BearerToken(source)));
    return channel.build();
  }

  /** By default a machine that is gone is waited for 20 seconds, longer than an operation takes. */
  private static ManagedChannelBuilder<?> connectingSoon(ManagedChannelBuilder<?> channel) {
    return channel instanceof NettyChannelBuilder netty
        ? netty.withOption(ChannelOption.CONNECT_TIMEOUT_MILLIS, CONNECT_MILLIS_MAX)
        : channel;
  }

  private static ThreadFactory daemons(String name) {
    AtomicInteger number = new AtomicInteger();
    return task -> {
      Thread thread = new Thread(task, name + "-" + number.incrementAndGet());
      thread.setDaemon(true);
      return thread;
    };
  }
}
