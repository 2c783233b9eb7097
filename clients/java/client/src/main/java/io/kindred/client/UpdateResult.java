package io.kindred.client;

import java.util.Optional;

/**
 * An update is done.
 *
 * @param value what the key holds now; empty: nothing
 * @param context covers it: for the next write of the key
 * @param versionsHeld how many versions the coordinating replica held after the last write; more
 *     than 1 only without a resolver: the write raced, and somebody has to resolve
 */
public record UpdateResult(Optional<Value> value, CausalContext context, int versionsHeld) {}
