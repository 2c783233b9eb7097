package io.kindred.client;

import com.google.protobuf.ByteString;
import java.util.Base64;

/**
 * What has been seen of one key, as opaque bytes of at most 4 KiB.
 *
 * <p>Every answer brings one, also "absent". A write with it supersedes exactly what it covers; a
 * read with it as {@linkplain ReadOptions.Builder#minContext minimum} never answers with less. It
 * may be stored or sent along with a message, and is valid only for the key that it came from.
 */
public final class CausalContext implements Causality {

  private final ByteString token;

  private CausalContext(ByteString token) {
    this.token = token;
  }

  /**
   * Takes a context that was stored or sent.
   *
   * @param token what {@link #toByteArray()} gave
   * @return the context; the server refuses it if it is damaged
   */
  public static CausalContext copyOf(byte[] token) {
    return new CausalContext(ByteString.copyFrom(token));
  }

  /**
   * Takes a context that was stored or sent as text.
   *
   * @param base64 what {@link #toString()} gave
   * @return the context; the server refuses it if it is damaged
   * @throws IllegalArgumentException if the text is not base64
   */
  public static CausalContext parse(String base64) {
    return new CausalContext(ByteString.copyFrom(Base64.getDecoder().decode(base64)));
  }

  static CausalContext of(ByteString token) {
    return new CausalContext(token);
  }

  ByteString toByteString() {
    return token;
  }

  /**
   * The opaque bytes, to be stored or sent.
   *
   * @return a new array
   */
  public byte[] toByteArray() {
    return token.toByteArray();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof CausalContext that && token.equals(that.token);
  }

  @Override
  public int hashCode() {
    return token.hashCode();
  }

  /** The opaque bytes in base64, as the {@code kindred} command prints and takes them. */
  @Override
  public String toString() {
    return Base64.getEncoder().encodeToString(token.toByteArray());
  }
}
