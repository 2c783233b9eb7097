/**
 * Two people share a shopping cart. Both put something in at the same time, and nothing is lost: the README's first five
 * minutes, to its end.
 *
 *     node shopping-cart.ts 127.0.0.1:7400 127.0.0.1:7401 127.0.0.1:7402
 */

import { Client, jsonSetUnion, Value } from '@kindred/client';

const endpoints = process.argv.length > 2 ? process.argv.slice(2) : ['127.0.0.1:7400'];
const client = new Client(endpoints, { resolvers: { default: jsonSetUnion } });

// The first write. Its context says: "I have seen the milk".
const { context } = await client.put('default', 'cart', Value.json(['milk']));

// Ann and Ben have both seen the milk, and not each other.
await client.put('default', 'cart', Value.json(['milk', 'eggs']), { context });
await client.put('default', 'cart', Value.json(['milk', 'bread']), { context });

const cart = await client.get('default', 'cart');
switch (cart.state) {
  case 'found':
    console.log('one cart:', cart.value.text());
    break;
  case 'conflict':
    console.log(
      'two carts:',
      cart.versions.map((version) => version.kind === 'value' && version.value.text()),
    );
    break;
  case 'absent':
    console.log('no cart');
}

// An update resolves what raced, then makes its change, and does both again should it lose a race.
const updated = await client.update('default', 'cart', (current) =>
  Value.json([...(current?.json<string[]>() ?? []), 'tea']),
);
console.log('one cart:', updated.value?.text());

client.close();
