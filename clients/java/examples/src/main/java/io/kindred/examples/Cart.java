package io.kindred.examples;

import io.kindred.client.CausalContext;
import io.kindred.client.GetResult;
import io.kindred.client.GetResult.Conflict;
import io.kindred.client.GetResult.Found;
import io.kindred.client.Key;
import io.kindred.client.KindredClient;
import io.kindred.client.Resolver;
import io.kindred.client.Resolvers;
import io.kindred.client.Update;
import io.kindred.client.UpdateOptions;
import io.kindred.client.Value;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;

/** Two people change one cart at once, and nothing is lost. */
public final class Cart {

  private static final String[] LOCAL = {"127.0.0.1:7400", "127.0.0.1:7401", "127.0.0.1:7402"};

  /**
   * Runs the example.
   *
   * @param arguments the nodes of a cluster, as host:port; none: those of {@code npm start}
   */
  public static void main(String[] arguments) {
    String[] nodes = arguments.length > 0 ? arguments : LOCAL;
    Key cart = Key.of("default", "cart");
    try (KindredClient client = KindredClient.builder().endpoints(nodes).build()) {
      // Ann and Ben have both seen the milk. Neither sees what the other writes.
      CausalContext seen = client.put(cart, Value.of("milk")).context();
      client.put(cart, Value.of("eggs,milk"), seen);
      client.put(cart, Value.of("bread,milk"), seen);

      GetResult result = client.get(cart);
      if (result instanceof Conflict conflict) {
        System.out.println("conflict: " + conflict.values().stream().map(Value::text).toList());
        // How to merge is yours to say. A put with the context of the read supersedes what was
        // read.
        TreeSet<String> all = new TreeSet<>();
        conflict.values().forEach(value -> all.addAll(items(value)));
        client.put(cart, value(all), conflict.context());
      }
      if (client.get(cart) instanceof Found found) {
        System.out.println("resolved: " + found.value().text());
      }

      // The same in one call: read, resolve, change, write, and again if others were faster.
      Resolver union = Resolvers.union(Cart::items, Cart::value);
      client.update(
          cart,
          current -> {
            TreeSet<String> all = new TreeSet<>(current.map(Cart::items).orElse(List.of()));
            all.add("salt");
            return Update.put(value(all));
          },
          UpdateOptions.DEFAULT.withResolver(union));
      if (client.get(cart) instanceof Found found) {
        System.out.println("updated: " + found.value().text());
      }
    }
  }

  private static List<String> items(Value value) {
    return List.of(value.text().split(","));
  }

  private static Value value(Collection<String> items) {
    return Value.of(String.join(",", items));
  }

  private Cart() {}
}
