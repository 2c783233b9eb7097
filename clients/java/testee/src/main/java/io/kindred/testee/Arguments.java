package io.kindred.testee;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.kindred.client.BlindWrite;
import io.kindred.client.CausalContext;
import io.kindred.client.Causality;
import io.kindred.client.ConflictMode;
import io.kindred.client.Consistency;
import io.kindred.client.DeleteOptions;
import io.kindred.client.Durability;
import io.kindred.client.Expiry;
import io.kindred.client.Handoff;
import io.kindred.client.Key;
import io.kindred.client.Mutation;
import io.kindred.client.PutOptions;
import io.kindred.client.ReadOptions;
import io.kindred.client.RequestId;
import io.kindred.client.TouchOptions;
import io.kindred.client.Value;
import io.kindred.client.WriteOptions;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** Reads the arguments of a request. */
final class Arguments {

  private Arguments() {}

  static Key key(JsonObject request) {
    return new Key(Json.text(request, "bucket"), Json.content(request, "key"));
  }

  static Value value(JsonObject request) {
    JsonObject value = Json.object(request, "value");
    Map<String, String> metadata = new HashMap<>();
    Json.object(value, "metadata")
        .entrySet()
        .forEach(entry -> metadata.put(entry.getKey(), entry.getValue().getAsString()));
    return new Value(Json.content(value, "data"), Json.text(value, "contentType"), metadata);
  }

  static Optional<ReadOptions> read(JsonObject request) {
    return Json.field(request, "read").map(JsonElement::getAsJsonObject).map(Arguments::options);
  }

  private static ReadOptions options(JsonObject read) {
    ReadOptions.Builder options = ReadOptions.builder();
    Json.field(read, "consistency").ifPresent(level -> options.consistency(level(level)));
    Json.field(read, "replicas").ifPresent(number -> options.replicas(number.getAsInt()));
    Json.field(read, "minContext").ifPresent(context -> options.minContext(context(context)));
    Json.field(read, "onConflict")
        .ifPresent(mode -> options.onConflict(ConflictMode.valueOf(mode.getAsString())));
    Json.field(read, "omitData").ifPresent(omit -> options.omitData(omit.getAsBoolean()));
    Json.field(read, "fallback")
        .ifPresent(
            levels ->
                options.fallback(
                    levels.getAsJsonArray().asList().stream()
                        .map(Arguments::level)
                        .toArray(Consistency[]::new)));
    return options.build();
  }

  static Optional<WriteOptions> write(JsonObject request) {
    return Json.field(request, "write")
        .map(JsonElement::getAsJsonObject)
        .map(
            write -> {
              WriteOptions.Builder options = WriteOptions.builder();
              Json.field(write, "consistency")
                  .ifPresent(level -> options.consistency(level(level)));
              Json.field(write, "replicas")
                  .ifPresent(number -> options.replicas(number.getAsInt()));
              Json.field(write, "handoff")
                  .ifPresent(mode -> options.handoff(Handoff.valueOf(mode.getAsString())));
              Json.field(write, "durability")
                  .ifPresent(mode -> options.durability(Durability.valueOf(mode.getAsString())));
              Json.field(write, "requestId")
                  .ifPresent(id -> options.requestId(RequestId.copyOf(Json.bytes(id))));
              return options.build();
            });
  }

  static PutOptions put(JsonObject request) {
    return new PutOptions(causality(request), expiry(request), write(request));
  }

  static DeleteOptions delete(JsonObject request) {
    return new DeleteOptions(causality(request), write(request));
  }

  static TouchOptions touch(JsonObject request) {
    return new TouchOptions(Json.field(request, "context").map(Arguments::context), write(request));
  }

  static Optional<Expiry> expiry(JsonObject request) {
    if (request.has("ttlMs")) {
      return Optional.of(Expiry.after(Duration.ofMillis(request.get("ttlMs").getAsLong())));
    }
    if (request.has("expireTimeMs")) {
      return Optional.of(Expiry.at(Instant.ofEpochMilli(request.get("expireTimeMs").getAsLong())));
    }
    if (request.has("keepExpiry") && request.get("keepExpiry").getAsBoolean()) {
      return Optional.of(Expiry.keep());
    }
    return request.has("never") ? Optional.of(Expiry.never()) : Optional.empty();
  }

  static Mutation mutation(JsonObject mutation) {
    if (mutation.has("put")) {
      JsonObject put = mutation.getAsJsonObject("put");
      return new Mutation.Put(key(put), value(put), put(put));
    }
    JsonObject delete = mutation.getAsJsonObject("delete");
    return new Mutation.Delete(key(delete), delete(delete));
  }

  private static Optional<Causality> causality(JsonObject request) {
    if (request.has("context")) {
      return Optional.of(context(request.get("context")));
    }
    return Json.field(request, "blind").map(mode -> BlindWrite.valueOf(mode.getAsString()));
  }

  private static CausalContext context(JsonElement base64) {
    return CausalContext.copyOf(Json.bytes(base64));
  }

  private static Consistency level(JsonElement level) {
    return Consistency.valueOf(level.getAsString());
  }
}
