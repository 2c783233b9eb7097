package io.kindred.client;

/**
 * What a write supersedes: what a {@link CausalContext} covers, or what a {@link BlindWrite} mode
 * says. A write that gives neither is blind, in the mode of its bucket.
 */
public sealed interface Causality permits CausalContext, BlindWrite {}
