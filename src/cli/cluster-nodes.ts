/** Commands that ask every node of a cluster for itself: who they are, and one call to each. */

import type { Command } from 'commander';
import type { CallOptions, ClusterClient, Services } from './client.ts';
import { CallFailure } from './failure.ts';
import { UsageError } from './terminal.ts';

/** A node that can be asked. */
export interface ClusterNode {
  readonly id: string;
  /** Where clients reach it. */
  readonly address: string;
}

/** What a node answered, or why it did not. */
export type NodeAnswer<Answer> =
  | { readonly kind: 'answer'; readonly node: ClusterNode; readonly answer: Answer }
  | { readonly kind: 'failure'; readonly node: ClusterNode; readonly failure: CallFailure };

/** Nodes that are asked at the same time. */
const askedAtOnceMax = 16;

/** Adds the option that chooses nodes. */
export function addNodeOption(command: Command): Command {
  return command.option('--node <ids>', 'only these nodes, separated by commas (default: all)');
}

/** The nodes of the cluster, or those of them that `chosen` names. Throws CallFailure, or UsageError for a name that no node has. */
export async function clusterNodes(
  client: ClusterClient,
  chosen: string | undefined,
): Promise<readonly ClusterNode[]> {
  const { topology } = await client.read(({ topology }, options) =>
    topology.getTopology({ includeTokens: false }, options),
  );
  const all = (topology?.nodes ?? []).map(({ id, address }) => ({ id, address }));
  if (chosen === undefined) return all;
  return [...new Set(chosen.split(',').map((id) => id.trim()))].map((id) => {
    const node = all.find((one) => one.id === id);
    if (node !== undefined) return node;
    throw new UsageError(`--node: there is no "${id}", only ${all.map((one) => one.id).join(', ')}`);
  });
}

/** Calls each of the nodes, some at a time, and gives their answers in the same order. */
export async function askNodes<Answer>(
  client: ClusterClient,
  nodes: readonly ClusterNode[],
  call: (services: Services, options: CallOptions, node: ClusterNode) => Promise<Answer>,
): Promise<readonly NodeAnswer<Answer>[]> {
  const answers: NodeAnswer<Answer>[] = [];
  for (let from = 0; from < nodes.length; from += askedAtOnceMax) {
    const some = nodes.slice(from, from + askedAtOnceMax);
    answers.push(...(await Promise.all(some.map((node) => askNode(client, node, call)))));
  }
  return answers;
}

async function askNode<Answer>(
  client: ClusterClient,
  node: ClusterNode,
  call: (services: Services, options: CallOptions, node: ClusterNode) => Promise<Answer>,
): Promise<NodeAnswer<Answer>> {
  try {
    const answer = await client.at(node.address, false, (services, options) => call(services, options, node));
    return { kind: 'answer', node, answer };
  } catch (error) {
    if (error instanceof CallFailure) return { kind: 'failure', node, failure: error };
    throw error;
  }
}
