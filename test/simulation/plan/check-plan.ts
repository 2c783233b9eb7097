/**
 * What must hold of every plan, drawn, kept or made smaller: without it a violation would say nothing about the store. No
 * protocol with three replicas keeps what two disks forget, and a register with two writers is none.
 */

import type { FaultPlan, SeedPlan } from './seed-plan.ts';

/** What is wrong with the plan, one sentence each. Empty: nothing. */
export function checkPlan(plan: SeedPlan): readonly string[] {
  return [
    ...membersProblems(plan),
    ...clientsProblems(plan),
    ...plan.faults.flatMap((fault) => faultProblems(fault, plan.nodes)),
    ...duplicates(
      plan.faults.map(({ id }) => String(id)),
      'fault',
    ),
    ...memoryProblems(plan.faults),
  ];
}

function membersProblems({ nodes, clocks, partitions, network, disk }: SeedPlan): readonly string[] {
  const problems = [...duplicates(nodes, 'node')];
  if (nodes.length < 3) problems.push('a key has three homes, so there have to be at least three nodes');
  for (const node of nodes) if (!/^n[1-9]$/.test(node)) problems.push(`node ${node}: is not n1 to n9`);
  if (partitions < 8 || (partitions & (partitions - 1)) !== 0)
    problems.push(`partitions: must be a power of two from 8 on; found ${partitions}`);
  problems.push(
    ...duplicates(
      clocks.map(({ node }) => node),
      'clock of node',
    ),
  );
  for (const node of nodes)
    if (!clocks.some((clock) => clock.node === node)) problems.push(`node ${node}: has no clock`);
  for (const { node } of clocks)
    if (!nodes.includes(node)) problems.push(`clock of ${node}: is no node of the plan`);
  if (network.latencyMin > network.latencyMax)
    problems.push('network: latencyMin is greater than latencyMax');
  if (disk.writeMin > disk.writeMax) problems.push('disk: writeMin is greater than writeMax');
  if (disk.syncMin > disk.syncMax) problems.push('disk: syncMin is greater than syncMax');
  return problems;
}

function clientsProblems({ clients }: SeedPlan): readonly string[] {
  const problems = [
    ...duplicates(
      clients.map(({ name }) => name),
      'client',
    ),
  ];
  const users = new Map<string, string[]>();
  for (const { name, keys } of clients) {
    if (keys.length === 0) problems.push(`client ${name}: has no keys`);
    for (const { bucket, key } of keys) {
      const path = `${bucket}/${key}`;
      users.set(path, [...(users.get(path) ?? []), name]);
    }
  }
  for (const { name, profile, keys } of clients) {
    if (profile !== 'register') continue;
    for (const { bucket, key } of keys) {
      const others = users.get(`${bucket}/${key}`)?.filter((user) => user !== name) ?? [];
      if (others.length > 0)
        problems.push(`client ${name}: is not the only one on ${bucket}/${key}: ${others.join(', ')}`);
    }
  }
  return problems;
}

function faultProblems(fault: FaultPlan, nodes: readonly string[]): readonly string[] {
  const problems: string[] = [];
  for (const node of nodesOf(fault))
    if (!nodes.includes(node)) problems.push(`fault ${fault.id}: ${node} is no node of the plan`);
  if ('from' in fault) {
    const both = [fault.from, fault.to].map((side) => (typeof side === 'string' ? [side] : side));
    const [from = [], to = []] = both;
    if (from.length === 0 || to.length === 0) problems.push(`fault ${fault.id}: one side is empty`);
    if (from.some((node) => to.includes(node)))
      problems.push(`fault ${fault.id}: a node is cut off from itself`);
  }
  return problems;
}

function memoryProblems(faults: readonly FaultPlan[]): readonly string[] {
  const victims = new Set<string>();
  const powerless = new Set<string>();
  for (const fault of faults) {
    if (fault.kind === 'wipe' || fault.kind === 'restore' || fault.kind === 'bit-flip')
      victims.add(fault.node);
    if (fault.kind === 'crash' && fault.power) powerless.add(fault.node);
  }
  const [victim] = victims;
  if (victim === undefined) return [];
  if (victims.size > 1)
    return [`only one node may forget what it had synced; these would: ${[...victims].sort().join(', ')}`];
  const others = [...powerless].filter((node) => node !== victim).sort();
  if (others.length === 0) return [];
  return [
    `${victim} forgets what it had synced, so no other node may lose power; ${others.join(', ')} would`,
  ];
}

/** The nodes that a fault touches. */
export function nodesOf(fault: FaultPlan): readonly string[] {
  if ('node' in fault) return [fault.node];
  return [fault.from, fault.to].flat();
}

function duplicates(names: readonly string[], what: string): readonly string[] {
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  return [...new Set(twice)].map((name) => `${what} ${name}: is there twice`);
}
