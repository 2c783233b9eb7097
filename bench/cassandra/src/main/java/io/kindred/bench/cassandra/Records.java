package io.kindred.bench.cassandra;

import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.cql.AsyncResultSet;
import com.datastax.oss.driver.api.core.cql.PreparedStatement;
import com.datastax.oss.driver.api.core.cql.Row;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ThreadLocalRandom;

/** One operation on the table, prepared at one consistency level; keys and values are those of the other systems. */
final class Records {
  /** Values are cut from it, so that no two are alike and none costs chance. They do not compress. */
  private static final byte[] pool = new byte[4 * 1024 * 1024];

  /** Sizes have keys of their own, so that a get finds what its row says. */
  private static final long keysPerSize = 100_000_000L;

  private static final int keyDigits = 14;

  static {
    new Random().nextBytes(pool);
  }

  private final CqlSession session;
  private final PreparedStatement statement;
  private final boolean puts;

  Records(CqlSession session, PreparedStatement statement, boolean puts) {
    this.session = session;
    this.statement = statement;
    this.puts = puts;
  }

  /** Completes with null when all is well, and with what is wrong otherwise; never exceptionally. */
  CompletionStage<String> send(int key, int valueBytes) {
    ByteBuffer name = keyOf(valueBytes * keysPerSize + key);
    CompletionStage<AsyncResultSet> sent =
        session.executeAsync(
            puts ? statement.bind(name, valueOf(valueBytes)) : statement.bind(name));
    return sent.handle(
        (answer, failure) -> {
          if (failure != null) return failure.getClass().getSimpleName();
          return puts || holds(answer.one(), valueBytes) ? null : "nothing found";
        });
  }

  private static boolean holds(Row row, int valueBytes) {
    ByteBuffer value = row == null ? null : row.getByteBuffer(0);
    return value != null && value.remaining() == valueBytes;
  }

  private static ByteBuffer keyOf(long number) {
    byte[] bytes = "key-00000000000000".getBytes(StandardCharsets.US_ASCII);
    long left = number;
    for (int at = bytes.length - 1; left > 0 && at >= bytes.length - keyDigits; at--) {
      bytes[at] = (byte) ('0' + left % 10);
      left /= 10;
    }
    return ByteBuffer.wrap(bytes);
  }

  private static ByteBuffer valueOf(int bytes) {
    int from = ThreadLocalRandom.current().nextInt(pool.length - bytes);
    return ByteBuffer.wrap(pool, from, bytes).slice();
  }
}
