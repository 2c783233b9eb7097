import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { plainLoad } from './load.ts';
import { prepareLoad } from './load-generator.ts';
import { epochMs } from './measurement.ts';

test('a stall of the server is in the latencies of all operations that were due meanwhile', async () => {
  // Answers at once, but for one stall of 400 ms, in which it answers nothing.
  const fromMs = epochMs() + 300;
  const stall = { fromMs: fromMs + 200, untilMs: fromMs + 600 };
  const server = createServer();
  server.on('stream', (stream) => {
    stream.resume();
    stream.on('end', () => {
      const nowMs = epochMs();
      const stalled = nowMs >= stall.fromMs && nowMs < stall.untilMs;
      if (stalled) setTimeout(() => answer(stream), stall.untilMs - nowMs);
      else answer(stream);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const run = await prepareLoad({
    ...plainLoad,
    kind: 'load',
    target: 'no-op',
    endpoints: [`127.0.0.1:${(server.address() as AddressInfo).port}`],
    connections: 1,
    arrivals: { kind: 'open', perSecond: 500, whenFull: 'wait' },
  });
  const { operations, failures, p50Ms, p99Ms, p90Ms } = await run({ fromMs, untilMs: fromMs + 1_000 });
  server.close();
  expect(failures).toBe(0);
  // 500 on average; the spread of a Poisson process is about 22.
  expect(operations).toBeGreaterThan(350);
  // 40 % were due in the stall: a closed loop would have one of them among hundreds.
  expect(p90Ms).toBeGreaterThan(200);
  expect(p99Ms).toBeGreaterThan(300);
  expect(p50Ms).toBeLessThan(p90Ms);
});

function answer(stream: ServerHttp2Stream): void {
  if (stream.destroyed) return;
  stream.respond({ ':status': 200 }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.alloc(5));
}
