package io.kindred.client;

import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.security.SecureRandom;
import java.util.HexFormat;

/**
 * The name of one logical write, the same for each of its attempts: 16 bytes. A write with it
 * counts once, however often and through whichever nodes it is sent. The client gives every write a
 * random one; give your own to repeat a write after a restart, or to ask for its {@linkplain
 * KindredClient#writeOutcome outcome}.
 */
public final class RequestId {

  private static final int SIZE = 16;

  /**
   * The generators of the JDK that cost less have 64 bits of state: too few for a name for ever.
   */
  private static final SecureRandom RANDOM = new SecureRandom();

  private final ByteString id;

  private RequestId(ByteString id) {
    this.id = id;
  }

  /**
   * Draws a new one.
   *
   * @return 16 random bytes
   */
  public static RequestId random() {
    byte[] id = new byte[SIZE];
    RANDOM.nextBytes(id);
    return new RequestId(ByteString.copyFrom(id));
  }

  /**
   * Takes one that was stored.
   *
   * @param id exactly 16 bytes
   * @return the request id
   * @throws IllegalArgumentException if there are more or fewer bytes
   */
  public static RequestId copyOf(byte[] id) {
    if (id.length != SIZE) {
      throw new IllegalArgumentException("a request id has 16 bytes, not " + id.length);
    }
    return new RequestId(ByteString.copyFrom(id));
  }

  /**
   * The name of one item of a batch that has this one, made as the server makes it: the position of
   * the item, exclusive-or the last four bytes.
   */
  RequestId ofItem(int index) {
    ByteBuffer bytes = ByteBuffer.wrap(id.toByteArray());
    int last = SIZE - Integer.BYTES;
    bytes.putInt(last, bytes.getInt(last) ^ index);
    return new RequestId(ByteString.copyFrom(bytes.array()));
  }

  ByteString toByteString() {
    return id;
  }

  /**
   * The bytes, to be stored.
   *
   * @return a new array of 16
   */
  public byte[] toByteArray() {
    return id.toByteArray();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof RequestId that && id.equals(that.id);
  }

  @Override
  public int hashCode() {
    return id.hashCode();
  }

  @Override
  public String toString() {
    return HexFormat.of().formatHex(id.toByteArray());
  }
}
