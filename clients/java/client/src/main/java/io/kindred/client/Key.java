package io.kindred.client;

import java.util.Objects;

/**
 * Names one record: a key inside a bucket.
 *
 * @param bucket the bucket, which the configuration of the cluster must name
 * @param key the key inside the bucket: 1 to 1,024 bytes of any content
 */
public record Key(String bucket, Bytes key) {

  /** The bucket that every cluster has. */
  public static final String DEFAULT_BUCKET = "default";

  public Key {
    // Checks that nothing is null. An empty bucket is the default one.
    Objects.requireNonNull(bucket, "bucket");
    Objects.requireNonNull(key, "key");
    bucket = bucket.isEmpty() ? DEFAULT_BUCKET : bucket;
  }

  /**
   * Names a record by text.
   *
   * @param bucket the bucket
   * @param key the key, to be stored as UTF-8
   * @return its name
   */
  public static Key of(String bucket, String key) {
    return new Key(bucket, Bytes.utf8(key));
  }

  /**
   * Names a record by bytes.
   *
   * @param bucket the bucket
   * @param key the key, which is copied
   * @return its name
   */
  public static Key of(String bucket, byte[] key) {
    return new Key(bucket, Bytes.copyOf(key));
  }

  @Override
  public String toString() {
    return bucket + "/" + key;
  }
}
