package io.kindred.testee;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import io.kindred.client.Resolver;
import io.kindred.client.Resolvers;
import io.kindred.client.Value;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;

/** Sets of strings, kept as sorted JSON arrays. */
final class JsonSets {

  static final Resolver UNION = Resolvers.union(JsonSets::decode, JsonSets::encode);

  private JsonSets() {}

  static List<String> decode(Value value) {
    return JsonParser.parseString(value.text()).getAsJsonArray().asList().stream()
        .map(JsonElement::getAsString)
        .toList();
  }

  static Value encode(Collection<String> items) {
    JsonArray array = new JsonArray();
    new TreeSet<>(items).forEach(array::add);
    return Value.of(array.toString());
  }
}
