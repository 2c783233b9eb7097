package io.kindred.testee;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.kindred.client.Bytes;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.StreamSupport;

/** How the protocol of the conformance suite writes things in JSON. */
final class Json {

  private Json() {}

  static String text(JsonObject object, String name) {
    return object.has(name) ? object.get(name).getAsString() : "";
  }

  static Optional<JsonElement> field(JsonObject object, String name) {
    return object.has(name) && !object.get(name).isJsonNull()
        ? Optional.of(object.get(name))
        : Optional.empty();
  }

  static JsonObject object(JsonObject object, String name) {
    return field(object, name).map(JsonElement::getAsJsonObject).orElseGet(JsonObject::new);
  }

  static List<JsonObject> objects(JsonObject object, String name) {
    return StreamSupport.stream(object.getAsJsonArray(name).spliterator(), false)
        .map(JsonElement::getAsJsonObject)
        .toList();
  }

  static byte[] bytes(JsonElement base64) {
    return Base64.getDecoder().decode(base64.getAsString());
  }

  static Bytes content(JsonObject object, String name) {
    return field(object, name).map(Json::bytes).map(Bytes::copyOf).orElse(Bytes.EMPTY);
  }

  static JsonPrimitive base64(byte[] bytes) {
    return new JsonPrimitive(Base64.getEncoder().encodeToString(bytes));
  }

  /** 64-bit numbers are decimal strings. */
  static JsonPrimitive number(long number) {
    return new JsonPrimitive(Long.toString(number));
  }

  static <T> JsonArray array(Collection<T> items, Function<T, JsonElement> element) {
    JsonArray array = new JsonArray();
    items.forEach(item -> array.add(element.apply(item)));
    return array;
  }
}
