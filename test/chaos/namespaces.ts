/**
 * Nodes in network namespaces, one each, on a bridge to which the clients in the root namespace belong too. Packets that the
 * receiver's firewall drops are gone without a word, as in a network that broke. Needs root, iproute2 and nftables.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ChaosNetwork, DirectedLink } from './network.ts';
import { pathOf, runProgram } from './program.ts';
import type { RunDirectory } from './run-directory.ts';

const firstAddress = 11;

/** A network of namespaces. It goes away with the directory of the run. */
export class NamespaceNetwork implements ChaosNetwork {
  readonly kind = 'namespaces';
  readonly #directory: RunDirectory;
  readonly #nodes: number;
  #dirty = new Set<number>();

  private constructor(directory: RunDirectory, nodes: number) {
    this.#directory = directory;
    this.#nodes = nodes;
  }

  static async make(directory: RunDirectory, nodes: number): Promise<NamespaceNetwork> {
    const network = new NamespaceNetwork(directory, nodes);
    const bridge = directory.id;
    await runProgram('ip', 'link', 'add', bridge, 'type', 'bridge');
    await runProgram('ip', 'addr', 'add', `${network.#address(1)}/24`, 'dev', bridge);
    await runProgram('ip', 'link', 'set', bridge, 'up');
    for (let node = 0; node < nodes; node++) await network.#add(node);
    return network;
  }

  memberHost(node: number): string {
    return this.#address(firstAddress + node);
  }

  listenHost(node: number): string {
    return this.memberHost(node);
  }

  commandPrefix(node: number): readonly string[] {
    // Not `ip netns exec`, which would give the process mounts of its own, that nobody could unmount from outside.
    return [pathOf('nsenter') ?? 'nsenter', `--net=/run/netns/${this.#name(node)}`];
  }

  started(): void {}

  async cut(links: readonly DirectedLink[]): Promise<void> {
    await this.#drop(links.map(({ from, to }) => ({ from, to, percent: 100 })));
  }

  /** Each packet between nodes is lost with this chance. */
  async lose(links: readonly DirectedLink[], percent: number): Promise<void> {
    await this.#drop(links.map(({ from, to }) => ({ from, to, percent })));
  }

  async heal(): Promise<void> {
    await this.#drop([]);
  }

  async #drop(links: readonly (DirectedLink & { readonly percent: number })[]): Promise<void> {
    const receivers = new Set([...this.#dirty, ...links.map(({ to }) => to)]);
    this.#dirty = new Set(links.map(({ to }) => to));
    await Promise.all(
      [...receivers].map((to) => {
        const rules = links
          .filter((link) => link.to === to)
          .map(({ from, percent }) => {
            const chance = percent === 100 ? '' : `numgen random mod 100 < ${percent} `;
            return `    ip saddr ${this.memberHost(from)} ${chance}drop`;
          });
        return this.#load(to, rules);
      }),
    );
  }

  /** Replaces the rules of a node's firewall, in one step. */
  async #load(node: number, rules: readonly string[]): Promise<void> {
    const chain = '  chain arriving {\n    type filter hook input priority 0; policy accept;';
    const text = `table ip chaos\ndelete table ip chaos\ntable ip chaos {\n${chain}\n${rules.join('\n')}\n  }\n}\n`;
    const file = join(this.#directory.path, `${this.#name(node)}.nft`);
    writeFileSync(file, text);
    const [enter, ...args] = this.commandPrefix(node) as [string, ...string[]];
    await runProgram(enter, ...args, pathOf('nft') ?? 'nft', '-f', file);
  }

  async #add(node: number): Promise<void> {
    const name = this.#name(node);
    const inside = `${name}i`;
    await runProgram('ip', 'netns', 'add', name);
    await runProgram('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', inside, 'netns', name);
    await runProgram('ip', 'link', 'set', name, 'master', this.#directory.id, 'up');
    const within = ['-n', name];
    await runProgram('ip', ...within, 'addr', 'add', `${this.memberHost(node)}/24`, 'dev', inside);
    await runProgram('ip', ...within, 'link', 'set', inside, 'up');
    await runProgram('ip', ...within, 'link', 'set', 'lo', 'up');
  }

  #name(node: number): string {
    if (node >= this.#nodes) throw new RangeError(`there is no node ${node}`);
    return `${this.#directory.id}-n${node + 1}`;
  }

  #address(last: number): string {
    return `10.${this.#directory.subnet.join('.')}.${last}`;
  }
}
