package io.kindred.bench.cassandra;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.HdrHistogram.ConcurrentHistogram;
import org.HdrHistogram.Histogram;

/**
 * A closed loop: so many operations in flight, each started when one before it was answered. What ends within the window counts.
 * Run it once.
 */
final class ClosedLoad {
  /** Answers that come later than this after the end of the load count as failures. */
  private static final long answerMsMax = 15_000;

  private static final long restMs = 10;
  private static final long latencyNanosMax = TimeUnit.MINUTES.toNanos(2);
  private static final int significantDigits = 3;
  private static final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor();

  private final Records records;
  private final int inFlightMax;
  private final int keys;
  private final int valueBytes;
  private final Histogram latencies =
      new ConcurrentHistogram(latencyNanosMax, significantDigits);
  private final Map<String, Long> failures = new ConcurrentHashMap<>();
  private final AtomicInteger inFlight = new AtomicInteger();
  private final AtomicInteger nextKey = new AtomicInteger();
  private boolean once;
  private long fromNanos;
  private long untilNanos;
  private volatile boolean sending = true;

  ClosedLoad(Records records, int inFlightMax, int keys, int valueBytes) {
    this.records = records;
    this.inFlightMax = inFlightMax;
    this.keys = keys;
    this.valueBytes = valueBytes;
  }

  /** Keys are chosen uniformly. The load starts now, and the window is in milliseconds since 1970. */
  Figures within(double fromMs, double untilMs) throws InterruptedException {
    Instant now = Instant.now();
    double nowMs = now.getEpochSecond() * 1e3 + now.getNano() / 1e6;
    long nowNanos = System.nanoTime();
    fromNanos = nowNanos + (long) ((fromMs - nowMs) * 1e6);
    untilNanos = nowNanos + (long) ((untilMs - nowMs) * 1e6);
    start();
    sleepUntil(fromNanos);
    long cpuBefore = cpuNanos();
    sleepUntil(untilNanos);
    long cpu = cpuNanos() - cpuBefore;
    sending = false;
    awaitAnswers();
    return figures((untilMs - fromMs) / 1e3, cpu);
  }

  /** Every key in turn, as fast as it goes. */
  Figures eachKeyOnce() throws InterruptedException {
    once = true;
    fromNanos = System.nanoTime();
    untilNanos = Long.MAX_VALUE;
    long cpuBefore = cpuNanos();
    start();
    while (sending) Thread.sleep(restMs);
    awaitAnswers();
    return figures((System.nanoTime() - fromNanos) / 1e9, cpuNanos() - cpuBefore);
  }

  private void start() {
    for (int index = 0; index < inFlightMax; index++) sendNext();
  }

  private void sendNext() {
    if (!sending) return;
    int key = once ? nextKey.getAndIncrement() : ThreadLocalRandom.current().nextInt(keys);
    if (key >= keys) {
      sending = false;
      return;
    }
    inFlight.incrementAndGet();
    long startedNanos = System.nanoTime();
    records.send(key, valueBytes).thenAccept(failure -> answered(startedNanos, failure));
  }

  private void answered(long startedNanos, String failure) {
    inFlight.decrementAndGet();
    if (failure != null) {
      failures.merge(failure, 1L, Long::sum);
      // A node that refuses is not asked a million times; and one that answers at once would make the stack deep.
      timer.schedule(this::sendNext, restMs, TimeUnit.MILLISECONDS);
      return;
    }
    long nowNanos = System.nanoTime();
    if (nowNanos >= fromNanos && nowNanos < untilNanos) {
      latencies.recordValue(Math.min(latencyNanosMax, nowNanos - startedNanos));
    }
    sendNext();
  }

  private void awaitAnswers() throws InterruptedException {
    long giveUpAt = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(answerMsMax);
    while (inFlight.get() > 0 && System.nanoTime() < giveUpAt) Thread.sleep(1);
    if (inFlight.get() > 0) failures.put("no answer", (long) inFlight.get());
  }

  private Figures figures(double seconds, long cpuNanos) {
    return new Figures(latencies.copy(), failures, seconds, cpuNanos / 1_000);
  }

  private static void sleepUntil(long nanos) throws InterruptedException {
    long left = nanos - System.nanoTime();
    if (left > 0) TimeUnit.NANOSECONDS.sleep(left);
  }

  private static long cpuNanos() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }
}
