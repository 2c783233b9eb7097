package io.kindred.client;

import io.kindred.client.Expiry.After;
import io.kindred.client.Expiry.At;
import io.kindred.client.Expiry.Keep;
import io.kindred.v1.ConsistencyLevel;
import io.kindred.v1.DeleteRequest;
import io.kindred.v1.GetRequest;
import io.kindred.v1.PutRequest;
import io.kindred.v1.TouchRequest;
import java.time.Duration;
import java.time.Instant;

/** Turns what a caller asks for into messages. The one place that knows how the enums are named. */
final class Requests {

  private Requests() {}

  static GetRequest get(Key key, ReadOptions options) {
    return GetRequest.newBuilder().setKey(key(key)).setOptions(read(options)).build();
  }

  static PutRequest put(Key key, Value value, PutOptions options, WriteOptions write) {
    PutRequest.Builder request =
        PutRequest.newBuilder().setKey(key(key)).setValue(value(value)).setOptions(write(write));
    if (options.causality().orElse(null) instanceof CausalContext context) {
      request.setContext(context.toByteString());
    } else if (options.causality().orElse(null) instanceof BlindWrite mode) {
      request.setBlind(blind(mode));
    }
    Expiry expiry = options.expiry().orElse(null);
    if (expiry instanceof After after) {
      request.setTtl(duration(after.ttl()));
    } else if (expiry instanceof At at) {
      request.setExpireTime(timestamp(at.time()));
    } else if (expiry instanceof Keep) {
      request.setKeepExpiry(true);
    }
    return request.build();
  }

  static DeleteRequest delete(Key key, DeleteOptions options, WriteOptions write) {
    DeleteRequest.Builder request =
        DeleteRequest.newBuilder().setKey(key(key)).setOptions(write(write));
    if (options.causality().orElse(null) instanceof CausalContext context) {
      request.setContext(context.toByteString());
    } else if (options.causality().orElse(null) instanceof BlindWrite mode) {
      request.setBlind(blind(mode));
    }
    return request.build();
  }

  static TouchRequest touch(Key key, Expiry expiry, TouchOptions options, WriteOptions write) {
    TouchRequest.Builder request =
        TouchRequest.newBuilder().setKey(key(key)).setOptions(write(write));
    if (expiry instanceof After after) {
      request.setTtl(duration(after.ttl()));
    } else if (expiry instanceof At at) {
      request.setExpireTime(timestamp(at.time()));
    } else if (expiry instanceof Keep) {
      throw new IllegalArgumentException("a touch that keeps the expiry does nothing");
    } else {
      request.setNever(true);
    }
    options.context().ifPresent(context -> request.setContext(context.toByteString()));
    return request.build();
  }

  static io.kindred.v1.Key key(Key key) {
    return io.kindred.v1.Key.newBuilder()
        .setBucket(key.bucket())
        .setKey(key.key().toByteString())
        .build();
  }

  static io.kindred.v1.ReadOptions read(ReadOptions options) {
    if (options == ReadOptions.DEFAULT) {
      return io.kindred.v1.ReadOptions.getDefaultInstance();
    }
    io.kindred.v1.ReadOptions.Builder message = io.kindred.v1.ReadOptions.newBuilder();
    options.consistency().ifPresent(level -> message.setConsistency(level(level)));
    options.replicas().ifPresent(message::setReplicas);
    options.minContext().ifPresent(context -> message.setMinContext(context.toByteString()));
    options.onConflict().ifPresent(mode -> message.setOnConflict(conflictMode(mode)));
    message.setOmitData(options.omitData());
    options.fallback().forEach(level -> message.addFallback(level(level)));
    return message.build();
  }

  static io.kindred.v1.WriteOptions write(WriteOptions options) {
    io.kindred.v1.WriteOptions.Builder message = io.kindred.v1.WriteOptions.newBuilder();
    options.consistency().ifPresent(level -> message.setConsistency(level(level)));
    options.replicas().ifPresent(message::setReplicas);
    options.handoff().ifPresent(mode -> message.setHandoff(handoff(mode)));
    options.durability().ifPresent(mode -> message.setDurability(durability(mode)));
    options.requestId().ifPresent(id -> message.setRequestId(id.toByteString()));
    return message.build();
  }

  private static io.kindred.v1.Value value(Value value) {
    return io.kindred.v1.Value.newBuilder()
        .setData(value.data().toByteString())
        .setContentType(value.contentType())
        .putAllMetadata(value.metadata())
        .build();
  }

  private static ConsistencyLevel level(Consistency level) {
    return ConsistencyLevel.valueOf("CONSISTENCY_LEVEL_" + level.name());
  }

  private static io.kindred.v1.ConflictMode conflictMode(ConflictMode mode) {
    return io.kindred.v1.ConflictMode.valueOf("CONFLICT_MODE_" + mode.name());
  }

  private static io.kindred.v1.BlindWrite blind(BlindWrite mode) {
    return io.kindred.v1.BlindWrite.valueOf("BLIND_WRITE_" + mode.name());
  }

  private static io.kindred.v1.Handoff handoff(Handoff mode) {
    return io.kindred.v1.Handoff.valueOf("HANDOFF_" + mode.name());
  }

  private static io.kindred.v1.Durability durability(Durability mode) {
    return io.kindred.v1.Durability.valueOf("DURABILITY_" + mode.name());
  }

  static com.google.protobuf.Duration duration(Duration duration) {
    return com.google.protobuf.Duration.newBuilder()
        .setSeconds(duration.getSeconds())
        .setNanos(duration.getNano())
        .build();
  }

  private static com.google.protobuf.Timestamp timestamp(Instant instant) {
    return com.google.protobuf.Timestamp.newBuilder()
        .setSeconds(instant.getEpochSecond())
        .setNanos(instant.getNano())
        .build();
  }
}
