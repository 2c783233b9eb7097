import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type HttpPort, type Readiness, startHttp } from './http.ts';
import { CounterFamily, HistogramFamily } from './instruments.ts';
import { createLogger, silentLogger } from './log.ts';
import { Metrics } from './metrics.ts';

const open: HttpPort[] = [];
afterEach(async () => {
  for (const port of open.splice(0)) await port.close();
});

async function http(
  readiness: () => Readiness,
  metrics = new Metrics({ processMetrics: false }),
): Promise<number> {
  const port = await startHttp({ metrics, readiness }, { host: '127.0.0.1', port: 0 });
  open.push(port);
  return port.port;
}

const ready = (): Readiness => ({ kind: 'ready' });

test('requests are counted by their labels, and timed', async () => {
  const metrics = new Metrics({ processMetrics: false });
  const gets = metrics.requests('Get', 'default', 'QUORUM');
  gets.done('OK', '', 0.001);
  gets.done('OK', '', 0.5);
  gets.done('UNAVAILABLE', 'NOT_ENOUGH_REPLICAS', 20);
  metrics.shed('in-flight').add(2);
  const text = await metrics.text();
  expect(text).toContain(
    'kindred_requests_total{method="Get",bucket="default",level="QUORUM",code="OK",reason=""} 2\n',
  );
  expect(text).toContain(
    'kindred_requests_total{method="Get",bucket="default",level="QUORUM",code="UNAVAILABLE",reason="NOT_ENOUGH_REPLICAS"} 1\n',
  );
  const labels = 'method="Get",bucket="default",level="QUORUM"';
  expect(text).toContain(`kindred_request_seconds_bucket{${labels},le="0.0005"} 0\n`);
  expect(text).toContain(`kindred_request_seconds_bucket{${labels},le="0.001"} 1\n`);
  expect(text).toContain(`kindred_request_seconds_bucket{${labels},le="10"} 2\n`);
  expect(text).toContain(`kindred_request_seconds_bucket{${labels},le="+Inf"} 3\n`);
  expect(text).toContain(`kindred_request_seconds_count{${labels}} 3\n`);
  expect(text).toContain(`kindred_request_seconds_sum{${labels}} 20.501\n`);
  expect(text).toContain('kindred_shed_total{reason="in-flight"} 2\n');
});

test('gauges are read when someone scrapes', async () => {
  const metrics = new Metrics({ processMetrics: false });
  let pending = 1;
  metrics.hintsPending.readWith(() => [['n2', pending]]);
  metrics.clusterHealthy.readWith(() => 1);
  expect(await metrics.text()).toContain('kindred_hints_pending{target="n2"} 1\n');
  pending = 7;
  const text = await metrics.text();
  expect(text).toContain('kindred_hints_pending{target="n2"} 7\n');
  expect(text).toContain('kindred_cluster_healthy 1\n');
  expect(text).not.toMatch(/^kindred_node_state/m);
});

test('two nodes in one process do not mix', async () => {
  const [one, two] = [new Metrics({ processMetrics: false }), new Metrics({ processMetrics: false })];
  one.readRepairs.add();
  expect(await one.text()).toContain('kindred_read_repairs_total 1\n');
  expect(await two.text()).toContain('kindred_read_repairs_total 0\n');
});

test('process metrics hold the event-loop delay', async () => {
  const text = await new Metrics({ processMetrics: true }).text();
  expect(text).toContain('nodejs_eventloop_lag_p99_seconds');
  expect(text).toContain('process_resident_memory_bytes');
});

test('beyond the bound of series the rest shares one', async () => {
  const family = new CounterFamily('c', 'help', ['a', 'b'], 2);
  for (const bucket of ['x', 'y', 'z', 'w']) family.with(bucket, 'q').add();
  const { values } = (await family.get()) as { values: { labels: object; value: number }[] };
  expect(values).toEqual([
    { labels: { a: 'x', b: 'q' }, value: 1 },
    { labels: { a: 'y', b: 'q' }, value: 1 },
    { labels: { a: 'other', b: 'other' }, value: 2 },
  ]);
});

test('a value on a bound belongs below it', async () => {
  const family = new HistogramFamily('h', 'help', [], 1, [1, 2]);
  for (const value of [1, 2, 3]) family.with().observe(value);
  const { values } = (await family.get()) as { values: { value: number }[] };
  expect(values.map((sample) => sample.value)).toEqual([1, 2, 3, 6, 3]);
});

test('the HTTP port shows metrics, life and readiness, and nothing else', async () => {
  let state: Readiness = { kind: 'unready', reason: 'storage is being opened' };
  const port = await http(() => state);
  const get = (path: string, method = 'GET') => fetch(`http://127.0.0.1:${port}${path}`, { method });

  const metrics = await get('/metrics');
  expect(metrics.status).toBe(200);
  expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(await metrics.text()).toContain('# TYPE kindred_requests_total counter');

  expect(await (await get('/healthz')).text()).toBe('alive\n');
  const unready = await get('/readyz?x=1');
  expect([unready.status, await unready.text()]).toEqual([503, 'not ready: storage is being opened\n']);
  state = { kind: 'ready' };
  expect((await get('/readyz')).status).toBe(200);

  const head = await get('/metrics', 'HEAD');
  expect([head.status, await head.text()]).toEqual([200, '']);
  expect((await get('/nothing')).status).toBe(404);
  expect((await get('/../etc/passwd')).status).toBe(404);
  const post = await get('/metrics', 'POST');
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test('a scrape that fails answers 500, and the next one works', async () => {
  let fail = true;
  const metrics = { text: () => (fail ? Promise.reject(new Error('gauge broke')) : Promise.resolve('ok\n')) };
  const port = await startHttp({ metrics, readiness: ready }, { host: '127.0.0.1', port: 0 });
  open.push(port);
  const first = await fetch(`http://127.0.0.1:${port.port}/metrics`);
  expect([first.status, await first.text()]).toEqual([500, 'gauge broke\n']);
  fail = false;
  expect((await fetch(`http://127.0.0.1:${port.port}/metrics`)).status).toBe(200);
});

test('headers are bounded', async () => {
  const port = await http(ready);
  const status = await new Promise((resolve, reject) => {
    request(
      { port, host: '127.0.0.1', path: '/healthz', headers: { 'X-Long': 'x'.repeat(9000) } },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    )
      .on('error', reject)
      .end();
  });
  expect(status).toBe(431);
});

test('a port in use is an error with its code', async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port } = holder.address() as { port: number };
  try {
    await expect(
      startHttp(
        { metrics: new Metrics({ processMetrics: false }), readiness: ready },
        { host: '127.0.0.1', port },
      ),
    ).rejects.toMatchObject({ code: 'EADDRINUSE' });
  } finally {
    await new Promise((resolve) => holder.close(resolve));
  }
});

test('log lines are JSON with the node, the level by name and the cause of an error', () => {
  const lines: string[] = [];
  const log = createLogger(
    { level: 'info', format: 'json' },
    { node: 'n1', target: { write: (line) => lines.push(line) } },
  );
  log.debug('not shown');
  log.error({ error: new Error('outer', { cause: new Error('inner') }), peer: 'n2' }, 'link broke');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] as string)).toMatchObject({
    level: 'error',
    node: 'n1',
    peer: 'n2',
    msg: 'link broke',
    error: { message: 'outer', cause: { message: 'inner' } },
  });
});

test('pretty lines are one line with the node and the fields', () => {
  const lines: string[] = [];
  const log = createLogger(
    { level: 'info', format: 'pretty' },
    { node: 'n1', target: { write: (line) => lines.push(line) } },
  );
  log.warn({ peer: 'n2' }, 'peer is silent');
  expect(lines.join('')).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: n1: peer is silent \{"peer":"n2"\}\n$/);
  silentLogger().fatal('nobody hears');
});

test('the page lists every metric with its labels, and no other', async () => {
  const page = readFileSync(new URL('../../docs/operating/metrics.md', import.meta.url), 'utf8');
  const told = [...page.matchAll(/^\| `(kindred_\w+)` \|(?: ([^|]+))? \|/gm)].map((match) => [
    match[1],
    match[2] ?? '',
  ]);
  const metrics = new Metrics({ processMetrics: false });
  const real = metrics.registry
    .getMetricsAsArray()
    .map((metric) => [metric.name, (metric as unknown as { labelNames: string[] }).labelNames.join(', ')]);
  expect(told.sort()).toEqual(real.sort());
});
