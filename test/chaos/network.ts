/** The network between the nodes of a chaos run: real, and to be broken a direction at a time. */

/** From one node to another; both count from 0. */
export interface DirectedLink {
  readonly from: number;
  readonly to: number;
}

export interface ChaosNetwork {
  readonly kind: 'namespaces' | 'proxies';
  /** The host that the configuration of all nodes names for this one, which its peers dial. */
  memberHost(node: number): string;
  /** Where this node listens, and clients of the test reach it. */
  listenHost(node: number): string;
  /** Comes before the command that starts the node. */
  commandPrefix(node: number): readonly string[];
  /** Has the node told: connections are known by the process they come from. */
  started(node: number, pid: number): void;
  /** Bytes stop arriving over these links; the others carry again. Nobody is told, as when a switch dies. */
  cut(links: readonly DirectedLink[]): Promise<void>;
  /** All links carry again, as they should. */
  heal(): Promise<void>;
}

/** Every link between the nodes. */
export function allLinks(nodes: number): readonly DirectedLink[] {
  const numbers = Array.from({ length: nodes }, (_, node) => node);
  return numbers.flatMap((from) => numbers.filter((to) => to !== from).map((to) => ({ from, to })));
}

/** The links from nodes of the first group to nodes of the second. */
export function linksBetween(from: readonly number[], to: readonly number[]): readonly DirectedLink[] {
  return from.flatMap((source) => to.map((target) => ({ from: source, to: target })));
}
