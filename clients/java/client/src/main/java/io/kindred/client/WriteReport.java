package io.kindred.client;

import java.util.Optional;

/**
 * How far a write had come when it was answered. It goes on to all N replicas afterwards.
 *
 * @param achieved the level that was met; empty if a number of replicas was asked for
 * @param acked how many replicas of the key had acknowledged
 * @param hinted how many hints for replicas that are away were stored durably
 * @param synced how many of {@code acked} came after an fsync
 * @param replayed whether the request id was known, so that this is the answer of the earlier write
 * @param coordinator the id of the node that coordinated the write
 * @param topologyEpoch the version of the layout that said where to write
 */
public record WriteReport(
    Optional<Consistency> achieved,
    int acked,
    int hinted,
    int synced,
    boolean replayed,
    String coordinator,
    long topologyEpoch) {}
