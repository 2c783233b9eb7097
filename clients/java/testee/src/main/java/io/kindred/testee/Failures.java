package io.kindred.testee;

import com.google.gson.JsonObject;
import io.kindred.client.ConflictException;
import io.kindred.client.KindredException;
import io.kindred.client.ReplicaFailure;

/** Writes errors of the client as JSON. */
final class Failures {

  private Failures() {}

  static JsonObject error(KindredException error) {
    JsonObject json = new JsonObject();
    json.addProperty("code", error.code().name());
    json.addProperty("message", error.getMessage());
    // The suite has no reason where there is no detail.
    json.addProperty("reason", error.detail().isPresent() ? error.reason().name() : "");
    json.addProperty("outcome", error.outcome().name());
    json.addProperty("safeToRetry", error.safeToRetry());
    json.addProperty("attempts", error.attempts());
    json.addProperty("hasDetail", error.detail().isPresent());
    error
        .detail()
        .ifPresent(
            detail -> {
              json.addProperty("required", detail.required());
              json.addProperty("alive", detail.alive());
              json.addProperty("answered", detail.answered());
              json.add("failures", Json.array(detail.failures(), Failures::failure));
              json.addProperty("field", detail.field());
              detail.context().ifPresent(context -> Results.context(json, context));
              detail
                  .retryAfter()
                  .ifPresent(wait -> json.addProperty("retryAfterMs", wait.toMillis()));
            });
    if (error instanceof ConflictException conflict) {
      json.addProperty("kind", "conflict");
      json.addProperty("applied", conflict.applied());
      json.add("versions", Json.array(conflict.versions(), Results::version));
      Results.context(json, conflict.context());
    }
    return json;
  }

  /** What the client found wrong itself, by the exception that Java has for that. */
  static JsonObject refused(IllegalArgumentException error) {
    JsonObject json = plain("INVALID_ARGUMENT", error.getMessage());
    json.addProperty("outcome", "NOT_APPLIED");
    json.addProperty("safeToRetry", true);
    return json;
  }

  static JsonObject malformed(String message) {
    JsonObject json = plain("UNIMPLEMENTED", message);
    json.addProperty("outcome", "NONE");
    json.addProperty("safeToRetry", false);
    return json;
  }

  private static JsonObject plain(String code, String message) {
    JsonObject json = new JsonObject();
    json.addProperty("code", code);
    json.addProperty("message", message);
    json.addProperty("reason", "");
    json.addProperty("attempts", 0);
    json.addProperty("hasDetail", false);
    return json;
  }

  private static JsonObject failure(ReplicaFailure failure) {
    JsonObject json = new JsonObject();
    json.addProperty("nodeId", failure.nodeId());
    json.addProperty("reason", failure.reason().name());
    return json;
  }
}
