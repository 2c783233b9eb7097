package io.kindred.client;

/**
 * A replica that did not do its part.
 *
 * @param nodeId the id of the node
 * @param reason why
 */
public record ReplicaFailure(String nodeId, ErrorReason reason) {}
