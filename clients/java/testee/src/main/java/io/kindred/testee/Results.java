package io.kindred.testee;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.kindred.client.BatchItem;
import io.kindred.client.CausalContext;
import io.kindred.client.Consistency;
import io.kindred.client.Dot;
import io.kindred.client.GetResult;
import io.kindred.client.ReadReport;
import io.kindred.client.TouchResult;
import io.kindred.client.UpdateResult;
import io.kindred.client.Value;
import io.kindred.client.Version;
import io.kindred.client.WriteReport;
import io.kindred.client.WriteResult;
import io.kindred.client.WriteState;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/** Writes answers of the client as JSON. */
final class Results {

  private Results() {}

  static JsonObject get(GetResult result) {
    JsonObject json = new JsonObject();
    String state = result.fold(found -> "FOUND", conflict -> "CONFLICT", absent -> "ABSENT");
    json.addProperty("state", state);
    json.add("versions", Json.array(result.versions(), Results::version));
    json.add("context", Json.base64(result.context().toByteArray()));
    json.add("report", report(result.report()));
    return json;
  }

  static JsonObject write(WriteResult result) {
    JsonObject json = new JsonObject();
    json.add("context", Json.base64(result.context().toByteArray()));
    json.add("dot", dot(result.dot()));
    json.addProperty("versionsHeld", result.versionsHeld());
    json.add("report", report(result.report()));
    return json;
  }

  static JsonObject touch(TouchResult result) {
    JsonObject json = new JsonObject();
    json.addProperty("applied", result.applied());
    json.add("context", Json.base64(result.context().toByteArray()));
    result.report().ifPresent(report -> json.add("report", report(report)));
    return json;
  }

  static JsonObject writeState(WriteState state) {
    JsonObject json = new JsonObject();
    if (state instanceof WriteState.Applied applied) {
      json.addProperty("outcome", "APPLIED");
      json.add("dot", dot(applied.dot()));
    } else {
      json.addProperty("outcome", "NOT_SEEN");
    }
    json.add("context", Json.base64(state.context().toByteArray()));
    return json;
  }

  static JsonObject update(UpdateResult result) {
    JsonObject json = new JsonObject();
    result.value().ifPresent(value -> json.add("value", value(value)));
    json.add("context", Json.base64(result.context().toByteArray()));
    json.addProperty("versionsHeld", result.versionsHeld());
    return json;
  }

  static <T> JsonObject batch(List<BatchItem<T>> items, Function<T, JsonObject> result) {
    JsonArray results = new JsonArray();
    for (BatchItem<T> item : items) {
      JsonObject json = new JsonObject();
      json.addProperty("index", item.index());
      if (item instanceof BatchItem.Failure<T> failure) {
        json.add("error", Failures.error(failure.error()));
      } else {
        json.add("ok", result.apply(item.orThrow()));
      }
      results.add(json);
    }
    JsonObject all = new JsonObject();
    all.add("results", results);
    return all;
  }

  static JsonObject version(Version version) {
    JsonObject json = version.value().map(Results::value).orElseGet(JsonObject::new);
    if (version.isDeletion()) {
      json.addProperty("deleted", true);
    }
    json.add("dot", dot(version.dot()));
    json.add("clock", Json.array(version.clock().entries(), Results::dot));
    json.add("writtenAtMs", Json.number(version.writtenAt().toEpochMilli()));
    version
        .expireTime()
        .ifPresent(time -> json.add("expireTimeMs", Json.number(time.toEpochMilli())));
    return json;
  }

  static void context(JsonObject json, CausalContext context) {
    json.add("context", Json.base64(context.toByteArray()));
  }

  private static JsonObject value(Value value) {
    JsonObject json = new JsonObject();
    json.add("data", Json.base64(value.data().toByteArray()));
    json.addProperty("contentType", value.contentType());
    JsonObject metadata = new JsonObject();
    value.metadata().forEach(metadata::addProperty);
    json.add("metadata", metadata);
    return json;
  }

  private static JsonObject dot(Dot dot) {
    JsonObject json = new JsonObject();
    json.add("replica", Json.number(dot.replica()));
    json.addProperty("epoch", dot.epoch());
    json.add("counter", Json.number(dot.counter()));
    return json;
  }

  private static JsonObject report(ReadReport report) {
    JsonObject json = new JsonObject();
    json.addProperty("achieved", level(report.achieved()));
    json.addProperty("replicasAsked", report.replicasAsked());
    json.addProperty("replicasAnswered", report.replicasAnswered());
    json.addProperty("replicasAgreed", report.replicasAgreed());
    json.addProperty("repairStarted", report.repairStarted());
    json.addProperty("coordinator", report.coordinator());
    json.add("topologyEpoch", Json.number(report.topologyEpoch()));
    return json;
  }

  private static JsonObject report(WriteReport report) {
    JsonObject json = new JsonObject();
    json.addProperty("achieved", level(report.achieved()));
    json.addProperty("acked", report.acked());
    json.addProperty("hinted", report.hinted());
    json.addProperty("synced", report.synced());
    json.addProperty("replayed", report.replayed());
    json.addProperty("coordinator", report.coordinator());
    json.add("topologyEpoch", Json.number(report.topologyEpoch()));
    return json;
  }

  private static String level(Optional<Consistency> achieved) {
    return achieved.map(Enum::name).orElse("UNSPECIFIED");
  }
}
