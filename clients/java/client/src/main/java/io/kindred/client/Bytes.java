package io.kindred.client;

import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;

/** An immutable sequence of bytes: a key, or what is stored under it. */
public final class Bytes {

  /** No bytes. */
  public static final Bytes EMPTY = new Bytes(ByteString.EMPTY);

  private final ByteString content;

  private Bytes(ByteString content) {
    this.content = content;
  }

  /**
   * Copies an array.
   *
   * @param bytes what to copy
   * @return the same bytes, which later changes of the array do not reach
   */
  public static Bytes copyOf(byte[] bytes) {
    return new Bytes(ByteString.copyFrom(bytes));
  }

  /**
   * Copies what remains of a buffer, whose position then is at its limit.
   *
   * @param buffer what to copy
   * @return the bytes that remained
   */
  public static Bytes copyOf(ByteBuffer buffer) {
    return new Bytes(ByteString.copyFrom(buffer));
  }

  /**
   * Encodes a text.
   *
   * @param text any text
   * @return its UTF-8 form
   */
  public static Bytes utf8(String text) {
    return new Bytes(ByteString.copyFromUtf8(text));
  }

  static Bytes of(ByteString content) {
    return content.isEmpty() ? EMPTY : new Bytes(content);
  }

  ByteString toByteString() {
    return content;
  }

  /**
   * Tells how many bytes there are.
   *
   * @return the number of bytes
   */
  public int size() {
    return content.size();
  }

  /**
   * Copies the bytes out.
   *
   * @return a new array
   */
  public byte[] toByteArray() {
    return content.toByteArray();
  }

  /**
   * Shows the bytes without copying them.
   *
   * @return a buffer that cannot be written to
   */
  public ByteBuffer asReadOnlyByteBuffer() {
    return content.asReadOnlyByteBuffer();
  }

  /**
   * Decodes the bytes as text.
   *
   * @return the text; what is not UTF-8 becomes U+FFFD
   */
  public String toUtf8() {
    return content.toString(StandardCharsets.UTF_8);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Bytes that && content.equals(that.content);
  }

  @Override
  public int hashCode() {
    return content.hashCode();
  }

  /** Shows the text where the bytes are UTF-8, else base64; long content is cut. */
  @Override
  public String toString() {
    ByteString start = content.size() <= 64 ? content : content.substring(0, 64);
    String end = start == content ? "" : "... (" + content.size() + " bytes)";
    return start.isValidUtf8()
        ? '"' + start.toStringUtf8() + '"' + end
        : Base64.getEncoder().encodeToString(start.toByteArray()) + end;
  }
}
