package io.kindred.testee;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import io.kindred.client.KindredException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * The program that the conformance suite drives: reads requests from stdin, one JSON object a line,
 * and answers on stdout. Each request runs on a thread of its own through the blocking client, so
 * that cancelling one is interrupting its thread.
 */
public final class Testee {

  /** What others refer to is there before the next request is read. */
  private static final Set<String> IN_ORDER = Set.of("hello", "connect", "session", "pipeline");

  private final Gson gson = new GsonBuilder().disableHtmlEscaping().create();
  private final PrintStream out;
  private final Operations operations = new Operations();
  private final Map<Long, Thread> running = new ConcurrentHashMap<>();
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(Testee::daemon);

  private Testee(PrintStream out) {
    this.out = out;
  }

  /**
   * Serves stdin until it ends.
   *
   * @param arguments none
   * @throws IOException if stdin breaks
   */
  public static void main(String[] arguments) throws IOException {
    Testee testee = new Testee(new PrintStream(System.out, false, StandardCharsets.UTF_8));
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      if (!line.isBlank()) {
        testee.take(line);
      }
    }
    testee.operations.close();
    System.exit(0);
  }

  private static Thread daemon(Runnable task) {
    Thread thread = new Thread(task);
    thread.setDaemon(true);
    return thread;
  }

  private void take(String line) {
    JsonObject request;
    long id = -1;
    try {
      request = JsonParser.parseString(line).getAsJsonObject();
      id = request.get("id").getAsLong();
    } catch (JsonParseException | IllegalStateException | NullPointerException e) {
      answer(id, "error", Failures.malformed("no request: " + e.getMessage()));
      return;
    }
    if ("cancel".equals(Json.text(request, "op"))) {
      cancel(request.get("of").getAsLong());
      answer(id, "ok", new JsonObject());
      return;
    }
    if (IN_ORDER.contains(Json.text(request, "op"))) {
      serve(id, request);
      return;
    }
    long number = id;
    Thread thread = daemon(() -> serve(number, request));
    running.put(number, thread);
    thread.start();
    if (request.has("cancelAfterMs")) {
      timer.schedule(
          () -> cancel(number), request.get("cancelAfterMs").getAsLong(), TimeUnit.MILLISECONDS);
    }
  }

  private void cancel(long id) {
    Thread thread = running.get(id);
    if (thread != null) {
      thread.interrupt();
    }
  }

  private void serve(long id, JsonObject request) {
    try {
      answer(id, "ok", operations.run(request));
    } catch (KindredException e) {
      answer(id, "error", Failures.error(e));
    } catch (IllegalArgumentException e) {
      // The client refuses what cannot be, before anything is sent.
      answer(id, "error", Failures.refused(e));
    } catch (UnsupportedOperationException | IllegalStateException | NullPointerException e) {
      e.printStackTrace();
      answer(id, "error", Failures.malformed(String.valueOf(e.getMessage())));
    } finally {
      running.remove(id);
    }
  }

  private void answer(long id, String kind, JsonElement content) {
    JsonObject answer = new JsonObject();
    answer.addProperty("id", id);
    answer.add(kind, content);
    String line = gson.toJson(answer);
    synchronized (out) {
      out.println(line);
      out.flush();
    }
  }
}
