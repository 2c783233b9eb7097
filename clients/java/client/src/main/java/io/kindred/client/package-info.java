/**
 * The Java client of Kindred, a Dynamo-style key-value store.
 *
 * <p>Start at {@link io.kindred.client.KindredClient}, which blocks, or {@link
 * io.kindred.client.KindredAsyncClient}, which answers with {@link
 * java.util.concurrent.CompletableFuture}s. Both are views of one engine. Everything that an answer
 * holds is immutable; absence and conflict are answers and not errors, see {@link
 * io.kindred.client.GetResult}.
 */
package io.kindred.client;
