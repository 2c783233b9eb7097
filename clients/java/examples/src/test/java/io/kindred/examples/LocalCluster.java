package io.kindred.examples;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

/** Three real nodes on this machine, started from the repository that this client stands in. */
final class LocalCluster implements AutoCloseable {

  private static final Path REPOSITORY = Path.of("../../..").toAbsolutePath().normalize();
  private static final long READY_WITHIN_SECONDS = 120;

  private final Process process;
  private final String[] endpoints;

  LocalCluster() throws IOException, InterruptedException {
    int base = freeBase();
    endpoints =
        IntStream.range(base, base + 3)
            .mapToObj(port -> "127.0.0.1:" + port)
            .toArray(String[]::new);
    Path binaries = REPOSITORY.resolve("node_modules/.bin");
    process =
        new ProcessBuilder(
                binaries.resolve("node").toString(),
                "src/main.ts",
                "dev",
                "--ephemeral",
                "--port-base",
                Integer.toString(base))
            .directory(REPOSITORY.toFile())
            .redirectErrorStream(true)
            .start();
    CountDownLatch ready = new CountDownLatch(1);
    StringBuffer log = new StringBuffer();
    Thread reader = new Thread(() -> read(ready, log));
    reader.setDaemon(true);
    reader.start();
    if (!ready.await(READY_WITHIN_SECONDS, TimeUnit.SECONDS) || !process.isAlive()) {
      close();
      throw new IllegalStateException("no cluster (npm ci in the repository installs it): " + log);
    }
  }

  String[] endpoints() {
    return endpoints.clone();
  }

  private void read(CountDownLatch ready, StringBuffer log) {
    try (BufferedReader lines =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        log.append(line).append('\n');
        if (line.startsWith("Try, in another terminal")) {
          ready.countDown();
        }
      }
    } catch (IOException e) {
      log.append(e);
    } finally {
      ready.countDown();
    }
  }

  /** Clients, peers and HTTP stand a hundred apart. */
  private static int freeBase() {
    while (true) {
      int base = ThreadLocalRandom.current().nextInt(24_000, 24_800);
      List<Integer> ports =
          IntStream.of(0, 1, 2, 100, 101, 102, 200, 201, 202).map(i -> base + i).boxed().toList();
      if (ports.stream().allMatch(LocalCluster::isFree)) {
        return base;
      }
    }
  }

  private static boolean isFree(int port) {
    try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
      return socket.isBound();
    } catch (IOException e) {
      return false;
    }
  }

  @Override
  public void close() {
    process.destroy();
    try {
      if (!process.waitFor(20, TimeUnit.SECONDS)) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
