import { expect, test } from 'vitest';
import { Hello } from '../gen/kindred/peer/v1/peer.ts';
import { StoreWitness } from './store-witness.ts';

function hello(generation: number, openedAtMark: number, replicaId = 7): Hello {
  return Hello.fromPartial({ nodeId: 'n5', replicaId, generation, openedAtMark });
}

test('a store that opens below what was heard of it has been put back', () => {
  const witness = new StoreWitness();
  expect(witness.setBack(hello(1, 1_000_000))).toBeUndefined();
  witness.heard(hello(1, 1_000_000), 9_000_000);
  expect(witness.setBack(hello(2, 5_000_000))).toContain(
    'put back to an earlier state: it opened about 4 s behind',
  );
  expect(witness.setBack(hello(2, 5_000_000))).toContain('put back');
  // Another store on the same node is another matter.
  expect(witness.setBack(hello(3, 0, 8))).toBeUndefined();
});

test('an honest store that opens again holds all that was heard of it', () => {
  const witness = new StoreWitness();
  for (let life = 1; life <= 40; life++) {
    expect(witness.setBack(hello(life, life * 1_000_000))).toBeUndefined();
    witness.heard(hello(life, 0), life * 1_000_000 + 900_000);
  }
});

test('the greeting of a process that is gone, come late, makes no culprit of the one that runs', () => {
  const witness = new StoreWitness();
  expect(witness.setBack(hello(10, 17_000_000))).toBeUndefined();
  witness.heard(hello(10, 17_000_000), 18_000_000);
  // Of the life before; nobody hears the answer.
  witness.setBack(hello(9, 16_000_000));
  expect(witness.setBack(hello(10, 17_000_000))).toBeUndefined();
  witness.heard(hello(10, 17_000_000), 19_000_000);
  expect(witness.setBack(hello(11, 18_500_000))).toContain('put back');
});

test('however often a node starts, little is remembered of it', () => {
  const witness = new StoreWitness();
  for (let life = 1; life <= 5_000; life++) expect(witness.setBack(hello(life, 7))).toBeUndefined();
  witness.heard(hello(5_000, 7), 9_000_000);
  expect(witness.setBack(hello(5_001, 7))).toContain('put back');
  // Long forgotten, so judged anew: of a process that is gone, and nobody hears the answer.
  expect(witness.setBack(hello(1, 7))).toContain('put back');
});
