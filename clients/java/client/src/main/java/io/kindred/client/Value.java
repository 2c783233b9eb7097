package io.kindred.client;

import java.util.Map;
import java.util.Objects;

/**
 * What is stored under a key.
 *
 * @param data the content; at most 1 MiB, or less where the bucket says so
 * @param contentType what the content is, for example {@code application/json}; may be empty
 * @param metadata small facts, kept and returned but never interpreted; at most 4 KiB
 */
public record Value(Bytes data, String contentType, Map<String, String> metadata) {

  public Value {
    // Checks that nothing is null, and copies the metadata.
    Objects.requireNonNull(data, "data");
    Objects.requireNonNull(contentType, "contentType");
    metadata = Map.copyOf(metadata);
  }

  /**
   * A value of bytes only.
   *
   * @param data the content
   */
  public Value(Bytes data) {
    this(data, "", Map.of());
  }

  /**
   * A value of text.
   *
   * @param text the content, to be stored as UTF-8
   * @return the value, without a content type
   */
  public static Value of(String text) {
    return new Value(Bytes.utf8(text));
  }

  /**
   * A value of bytes.
   *
   * @param data the content, which is copied
   * @return the value, without a content type
   */
  public static Value of(byte[] data) {
    return new Value(Bytes.copyOf(data));
  }

  /**
   * Reads the content as text.
   *
   * @return the content, decoded as UTF-8
   */
  public String text() {
    return data.toUtf8();
  }

  /**
   * The same content under another type.
   *
   * @param type what the content is
   * @return a new value
   */
  public Value withContentType(String type) {
    return new Value(data, type, metadata);
  }

  /**
   * The same content with other metadata.
   *
   * @param facts the metadata, in place of the present ones
   * @return a new value
   */
  public Value withMetadata(Map<String, String> facts) {
    return new Value(data, contentType, facts);
  }
}
