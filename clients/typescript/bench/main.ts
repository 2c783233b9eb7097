/**
 * Measures the client against a running cluster, beside the bare stubs, and prints one line of JSON.
 *
 *     node bench/main.ts 127.0.0.1:7400,127.0.0.1:7401 10
 */

import { createChannel, createClient } from 'nice-grpc';
import { KeyValueServiceDefinition } from '../src/gen/kindred/v1/kv.ts';
import { Client, type Pipeline } from '../src/index.ts';

const IN_FLIGHT = 64;
const PIPELINE_IN_FLIGHT = 1024;
/** Many more than are in flight: concurrent writes of one key wait for each other. */
const KEYS = 10_000;
const value = Buffer.alloc(100, 'v');

const [endpointList, seconds] = process.argv.slice(2);
if (endpointList === undefined || seconds === undefined) throw new Error('usage: bench ENDPOINTS SECONDS');
const endpoints = endpointList.split(',');
const durationMs = Number(seconds) * 1000;

const client = new Client(endpoints);
const channels = endpoints.map((endpoint) => createChannel(endpoint));
const stubs = channels.map((channel) => createClient(KeyValueServiceDefinition, channel));

const stubOf = (turn: number): (typeof stubs)[number] => stubs[turn % stubs.length] as (typeof stubs)[number];
const wireKeyOf = (turn: number): { bucket: string; key: Buffer } => ({
  bucket: 'default',
  key: Buffer.from(keyOf(turn)),
});

{
  // So that every read finds something.
  await using pipeline = client.pipeline({ inFlight: PIPELINE_IN_FLIGHT });
  await Promise.all(Array.from({ length: KEYS }, (_, turn) => pipeline.put('default', keyOf(turn), value)));
}
const stubPut = await rate(IN_FLIGHT, (turn) =>
  stubOf(turn).put({ key: wireKeyOf(turn), value: { data: value } }),
);
const clientPut = await rate(IN_FLIGHT, (turn) => client.put('default', keyOf(turn), value));
const onePut = await rate(1, (turn) => client.put('default', keyOf(turn), value));
const pipelinePut = await pipelined((pipeline, turn) => pipeline.put('default', keyOf(turn), value));
const stubGet = await rate(IN_FLIGHT, (turn) => stubOf(turn).get({ key: wireKeyOf(turn) }));
const clientGet = await rate(IN_FLIGHT, (turn) => client.get('default', keyOf(turn)));
const oneGet = await rate(1, (turn) => client.get('default', keyOf(turn)));
const pipelineGet = await pipelined((pipeline, turn) => pipeline.get('default', keyOf(turn)));

client.close();
for (const channel of channels) channel.close();
const figures = { stubGet, clientGet, oneGet, stubPut, clientPut, onePut, pipelineGet, pipelinePut };
console.log(JSON.stringify({ language: 'typescript', ...figures, inFlight: IN_FLIGHT }));

function keyOf(turn: number): string {
  return `bench/${turn % KEYS}`;
}

async function pipelined(operation: (pipeline: Pipeline, turn: number) => Promise<unknown>): Promise<number> {
  await using pipeline = client.pipeline({ inFlight: PIPELINE_IN_FLIGHT });
  return await rate(PIPELINE_IN_FLIGHT, (turn) => operation(pipeline, turn));
}

/** Operations a second, with so many in flight. The first tenth warms up and is not counted. */
async function rate(inFlight: number, operation: (turn: number) => Promise<unknown>): Promise<number> {
  const countFromMs = performance.now() + durationMs / 10;
  const untilMs = performance.now() + durationMs;
  let turn = 0;
  let counted = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      await operation(turn++);
      if (performance.now() >= countFromMs) counted += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return Math.round(counted / ((performance.now() - countFromMs) / 1000));
}
