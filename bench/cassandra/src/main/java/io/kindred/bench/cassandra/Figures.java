package io.kindred.bench.cassandra;

import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.HdrHistogram.Histogram;

/**
 * What came of a load.
 *
 * @param latencies in nanoseconds, of the operations that succeeded within the window
 * @param failures by the name of the exception, whenever they happened
 * @param seconds length of the window
 * @param cpuMicros of this process within the window
 */
record Figures(
    Histogram latencies, Map<String, Long> failures, double seconds, long cpuMicros) {

  /** On one line. */
  String json() {
    String failed =
        failures.entrySet().stream()
            .map(each -> "\"" + each.getKey() + "\":" + each.getValue())
            .collect(Collectors.joining(","));
    return String.format(
        Locale.ROOT,
        "{\"operations\":%d,\"perSecond\":%.1f,\"p50Ms\":%.3f,\"p90Ms\":%.3f,\"p99Ms\":%.3f,\"p999Ms\":%.3f,"
            + "\"maxMs\":%.3f,\"cpuMicros\":%d,\"failures\":{%s}}",
        latencies.getTotalCount(),
        latencies.getTotalCount() / seconds,
        milliseconds(50),
        milliseconds(90),
        milliseconds(99),
        milliseconds(99.9),
        milliseconds(100),
        cpuMicros,
        failed);
  }

  private double milliseconds(double percentile) {
    return latencies.getValueAtPercentile(percentile) / 1e6;
  }
}
