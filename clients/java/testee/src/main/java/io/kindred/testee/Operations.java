package io.kindred.testee;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.grpc.Status;
import io.kindred.client.GetResult;
import io.kindred.client.Key;
import io.kindred.client.KeyLocation;
import io.kindred.client.KindredClient;
import io.kindred.client.KindredClientBuilder;
import io.kindred.client.KindredException;
import io.kindred.client.KindredPipeline;
import io.kindred.client.KindredSession;
import io.kindred.client.ReadOptions;
import io.kindred.client.RequestId;
import io.kindred.client.Resolvers;
import io.kindred.client.Update;
import io.kindred.client.UpdateOptions;
import io.kindred.client.UpdateResult;
import io.kindred.client.Value;
import io.kindred.client.WriteOptions;
import io.kindred.client.WriteResult;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;

/** Carries out requests with the client, as an application would. */
final class Operations {

  private final Map<String, KindredClient> clients = new ConcurrentHashMap<>();
  private final Map<String, KindredSession> sessions = new ConcurrentHashMap<>();
  private final Map<String, KindredPipeline> pipelines = new ConcurrentHashMap<>();
  private final Map<String, Integer> inFlight = new ConcurrentHashMap<>();

  void close() {
    clients.values().forEach(KindredClient::close);
  }

  JsonObject run(JsonObject request) {
    String op = Json.text(request, "op");
    return switch (op) {
      case "hello" -> hello();
      case "connect" -> connect(request);
      case "close" -> {
        clients.remove(Json.text(request, "client")).close();
        yield new JsonObject();
      }
      case "get" -> Results.get(get(request));
      case "put" -> Results.write(put(request));
      case "delete" -> Results.write(delete(request));
      case "touch" ->
          Results.touch(
              client(request)
                  .touch(
                      Arguments.key(request),
                      Arguments.expiry(request).orElseThrow(),
                      Arguments.touch(request)));
      case "batchGet" -> batchGet(request);
      case "batchWrite" -> batchWrite(request);
      case "writeOutcome" -> writeOutcome(request);
      case "update" -> Results.update(update(request));
      case "session" -> {
        sessions.put(Json.text(request, "session"), client(request).session());
        yield new JsonObject();
      }
      case "pipeline" -> pipeline(request);
      case "pipelined" -> pipelined(request);
      case "closePipeline" -> {
        pipelines.remove(Json.text(request, "pipeline")).close();
        yield new JsonObject();
      }
      case "placement" -> placement(request);
      default -> throw new UnsupportedOperationException("unknown op " + op);
    };
  }

  private static JsonObject hello() {
    JsonObject json = new JsonObject();
    json.addProperty("language", "java");
    json.addProperty("version", "0.1.0");
    json.add("features", new JsonArray());
    return json;
  }

  private JsonObject connect(JsonObject request) {
    String name = Json.text(request, "client");
    KindredClientBuilder builder =
        KindredClient.builder()
            .endpoints(
                request.getAsJsonArray("endpoints").asList().stream()
                    .map(JsonElement::getAsString)
                    .toList());
    Json.field(request, "timeoutMs")
        .ifPresent(limit -> builder.timeout(Duration.ofMillis(limit.getAsLong())));
    Json.field(request, "attempts").ifPresent(number -> builder.attempts(number.getAsInt()));
    Json.field(request, "directRouting")
        .ifPresent(enabled -> builder.directRouting(enabled.getAsBoolean()));
    Json.field(request, "inFlight").ifPresent(number -> inFlight.put(name, number.getAsInt()));
    clients.put(name, builder.build());
    return new JsonObject();
  }

  private KindredClient client(JsonObject request) {
    KindredClient client = clients.get(Json.text(request, "client"));
    if (client == null) {
      throw new UnsupportedOperationException("no client " + Json.text(request, "client"));
    }
    return client;
  }

  private Optional<KindredSession> session(JsonObject request) {
    return Json.field(request, "session").map(JsonElement::getAsString).map(sessions::get);
  }

  private GetResult get(JsonObject request) {
    Key key = Arguments.key(request);
    ReadOptions read = Arguments.read(request).orElse(ReadOptions.DEFAULT);
    return session(request)
        .map(session -> session.get(key, read))
        .orElseGet(() -> client(request).get(key, read));
  }

  private WriteResult put(JsonObject request) {
    Key key = Arguments.key(request);
    Value value = Arguments.value(request);
    return session(request)
        .map(session -> session.put(key, value, Arguments.put(request)))
        .orElseGet(() -> client(request).put(key, value, Arguments.put(request)));
  }

  private WriteResult delete(JsonObject request) {
    Key key = Arguments.key(request);
    return session(request)
        .map(session -> session.delete(key, Arguments.delete(request)))
        .orElseGet(() -> client(request).delete(key, Arguments.delete(request)));
  }

  private JsonObject batchGet(JsonObject request) {
    List<Key> keys = Json.objects(request, "keys").stream().map(Arguments::key).toList();
    ReadOptions read = Arguments.read(request).orElse(ReadOptions.DEFAULT);
    return Results.batch(client(request).batchGet(keys, read), Results::get);
  }

  private JsonObject batchWrite(JsonObject request) {
    return Results.batch(
        client(request)
            .batchWrite(
                Json.objects(request, "mutations").stream().map(Arguments::mutation).toList(),
                Arguments.write(request).orElse(WriteOptions.DEFAULT)),
        Results::write);
  }

  private JsonObject writeOutcome(JsonObject request) {
    return Results.writeState(
        client(request)
            .writeOutcome(
                Arguments.key(request),
                RequestId.copyOf(Json.bytes(request.get("requestId"))),
                Arguments.read(request).orElse(ReadOptions.DEFAULT)));
  }

  private UpdateResult update(JsonObject request) {
    UpdateOptions defaults = UpdateOptions.DEFAULT;
    UpdateOptions options =
        new UpdateOptions(
            switch (Json.text(request, "resolver")) {
              case "union" -> Optional.of(JsonSets.UNION);
              case "lastWriter" -> Optional.of(Resolvers.lastWriter());
              default -> Optional.empty();
            },
            Arguments.read(request),
            Arguments.write(request),
            defaults.expiry(),
            defaults.attemptsMax());
    Key key = Arguments.key(request);
    Update.Step step = step(request.getAsJsonObject("fn"));
    return session(request)
        .map(session -> session.update(key, step, options))
        .orElseGet(() -> client(request).update(key, step, options));
  }

  private static Update.Step step(JsonObject fn) {
    if (fn.has("append")) {
      String text = fn.get("append").getAsString();
      return current -> Update.put(Value.of(current.map(Value::text).orElse("") + text));
    }
    if (fn.has("add")) {
      String item = fn.get("add").getAsString();
      return current -> {
        TreeSet<String> items = new TreeSet<>(current.map(JsonSets::decode).orElse(List.of()));
        items.add(item);
        return Update.put(JsonSets.encode(items));
      };
    }
    return current -> Update.keep();
  }

  private JsonObject pipeline(JsonObject request) {
    Optional<Integer> limit =
        Json.field(request, "inFlight")
            .map(JsonElement::getAsInt)
            .or(() -> Optional.ofNullable(inFlight.get(Json.text(request, "client"))));
    KindredClient client = client(request);
    pipelines.put(
        Json.text(request, "pipeline"), limit.map(client::pipeline).orElseGet(client::pipeline));
    return new JsonObject();
  }

  private JsonObject pipelined(JsonObject request) {
    KindredPipeline pipeline = pipelines.get(Json.text(request, "pipeline"));
    List<CompletableFuture<JsonObject>> futures =
        Json.objects(request, "operations").stream()
            .map(operation -> pipelined(pipeline, operation))
            .toList();
    JsonArray results = new JsonArray();
    for (CompletableFuture<JsonObject> future : futures) {
      results.add(result(future));
    }
    JsonObject json = new JsonObject();
    json.add("results", results);
    return json;
  }

  private static CompletableFuture<JsonObject> pipelined(
      KindredPipeline pipeline, JsonObject operation) {
    if (operation.has("get")) {
      JsonObject get = operation.getAsJsonObject("get");
      return pipeline
          .get(Arguments.key(get), Arguments.read(get).orElse(ReadOptions.DEFAULT))
          .thenApply(Results::get);
    }
    if (operation.has("put")) {
      JsonObject put = operation.getAsJsonObject("put");
      return pipeline
          .put(Arguments.key(put), Arguments.value(put), Arguments.put(put))
          .thenApply(Results::write);
    }
    if (operation.has("delete")) {
      JsonObject delete = operation.getAsJsonObject("delete");
      return pipeline
          .delete(Arguments.key(delete), Arguments.delete(delete))
          .thenApply(Results::write);
    }
    JsonObject touch = operation.getAsJsonObject("touch");
    return pipeline
        .touch(Arguments.key(touch), Arguments.expiry(touch).orElseThrow(), Arguments.touch(touch))
        .thenApply(Results::touch);
  }

  private static JsonObject result(CompletableFuture<JsonObject> future) {
    JsonObject json = new JsonObject();
    try {
      json.add("ok", future.get());
    } catch (ExecutionException e) {
      if (!(e.getCause() instanceof KindredException error)) {
        throw new IllegalStateException(e.getCause());
      }
      json.add("error", Failures.error(error));
    } catch (InterruptedException e) {
      throw Status.CANCELLED.withCause(e).asRuntimeException();
    }
    return json;
  }

  private JsonObject placement(JsonObject request) {
    KindredClient client = client(request);
    List<KeyLocation> places =
        Json.objects(request, "keys").stream().map(Arguments::key).map(client::locate).toList();
    JsonObject json = new JsonObject();
    json.add("homes", Json.array(places, place -> Json.array(place.homes(), Operations::text)));
    json.add("tokens", Json.array(places, place -> text(place.tokenHex())));
    return json;
  }

  private static JsonElement text(String text) {
    return new JsonPrimitive(text);
  }
}
