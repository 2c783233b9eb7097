package io.kindred.client;

import java.util.Optional;

/**
 * How a read came to its answer.
 *
 * @param achieved the level that was met; empty if a number of replicas was asked for
 * @param replicasAsked how many replicas were asked
 * @param replicasAnswered how many of these had answered
 * @param replicasAgreed how many of these held the state that was answered already
 * @param repairStarted whether replicas that were behind are being brought up to date
 * @param coordinator the id of the node that coordinated the read
 * @param topologyEpoch the version of the layout that said which replicas to ask
 */
public record ReadReport(
    Optional<Consistency> achieved,
    int replicasAsked,
    int replicasAnswered,
    int replicasAgreed,
    boolean repairStarted,
    String coordinator,
    long topologyEpoch) {}
