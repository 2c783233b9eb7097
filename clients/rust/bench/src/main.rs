//! Measures the client against its bare stub: `kindred-bench HOST:PORT,HOST:PORT SECONDS` prints one line of JSON with
//! operations per second, for values of 100 bytes. Each of the eight measurements takes SECONDS.

use std::error::Error;
use std::future::{Future, IntoFuture as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kindred_client::proto::key_value_service_client::KeyValueServiceClient;
use kindred_client::proto::{
    GetRequest, GetResponse, Key, PutRequest, PutResponse, Value, WriteOptions,
};
use kindred_client::{Client, RequestId, Transport};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Status;

/// Many more than are in flight: concurrent writes of one key wait for each other.
const KEYS: u64 = 10_000;
const DATA: &[u8; 100] = &[b'x'; 100];
const UNARY_IN_FLIGHT: u64 = 64;
const PIPELINE_IN_FLIGHT: u64 = 1_024;

type BoxError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoints, seconds] = arguments.as_slice() else {
        eprintln!("usage: kindred-bench HOST:PORT,HOST:PORT SECONDS");
        return ExitCode::from(2);
    };
    let Ok(seconds) = seconds.parse() else {
        eprintln!("SECONDS is no number: {seconds}");
        return ExitCode::from(2);
    };
    match measure_all(endpoints, Duration::from_secs_f64(seconds)).await {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure_all(endpoints: &str, span: Duration) -> Result<String, BoxError> {
    let client = Client::connect(endpoints.split(',')).await?;
    let pipeline = client.pipeline();
    let mut filling = JoinSet::new();
    for n in 0..KEYS {
        filling.spawn(pipeline.put("default", key(n), DATA).into_future());
    }
    while let Some(filled) = filling.join_next().await {
        filled??;
    }
    // As many connections as the client has, taken in turn.
    let mut transports = Vec::new();
    for _ in endpoints.split(',') {
        transports.push(client.transport().await?);
    }
    let stub = Stub(transports.into());

    let stub_get = measure(span, UNARY_IN_FLIGHT, |n| stub.clone().get(n)).await?;
    let client_get = measure(span, UNARY_IN_FLIGHT, |n| {
        client.get("default", key(n)).into_future()
    })
    .await?;
    let one_get = measure(span, 1, |n| client.get("default", key(n)).into_future()).await?;
    let stub_put = measure(span, UNARY_IN_FLIGHT, |n| stub.clone().put(n)).await?;
    let client_put = measure(span, UNARY_IN_FLIGHT, |n| {
        client.put("default", key(n), DATA).into_future()
    })
    .await?;
    let one_put = measure(span, 1, |n| {
        client.put("default", key(n), DATA).into_future()
    })
    .await?;
    let pipeline_get = measure(span, PIPELINE_IN_FLIGHT, |n| {
        pipeline.get("default", key(n)).into_future()
    })
    .await?;
    let pipeline_put = measure(span, PIPELINE_IN_FLIGHT, |n| {
        pipeline.put("default", key(n), DATA).into_future()
    })
    .await?;
    pipeline.close().await;
    Ok(format!(
        r#"{{"client":"rust","stubGet":{stub_get:.0},"clientGet":{client_get:.0},"oneGet":{one_get:.0},"stubPut":{stub_put:.0},"clientPut":{client_put:.0},"onePut":{one_put:.0},"pipelineGet":{pipeline_get:.0},"pipelinePut":{pipeline_put:.0},"inFlight":{UNARY_IN_FLIGHT}}}"#
    ))
}

fn key(n: u64) -> String {
    format!("bench-{}", n % KEYS)
}

/// What a program would do without the client: the generated stub, one connection after the other.
#[derive(Clone)]
struct Stub(Arc<[Transport]>);

impl Stub {
    async fn get(self, n: u64) -> Result<GetResponse, Status> {
        let request = GetRequest {
            key: Some(wire_key(n)),
            options: None,
        };
        Ok(self.on(n).get(request).await?.into_inner())
    }

    async fn put(self, n: u64) -> Result<PutResponse, Status> {
        let request = PutRequest {
            key: Some(wire_key(n)),
            value: Some(Value {
                data: DATA.as_slice().into(),
                ..Value::default()
            }),
            options: Some(WriteOptions {
                request_id: RequestId::random().into(),
                ..WriteOptions::default()
            }),
            ..PutRequest::default()
        };
        Ok(self.on(n).put(request).await?.into_inner())
    }

    fn on(&self, n: u64) -> KeyValueServiceClient<Transport> {
        let turn = usize::try_from(n).unwrap_or_default() % self.0.len();
        KeyValueServiceClient::new(self.0[turn].clone())
    }
}

fn wire_key(n: u64) -> Key {
    Key {
        bucket: "default".to_owned(),
        key: key(n).into(),
    }
}

/// Successful operations per second, with that many in flight all the time. A cluster that is overloaded may refuse some.
async fn measure<O, F, T, E>(span: Duration, in_flight: u64, operation: O) -> Result<f64, BoxError>
where
    O: Fn(u64) -> F,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Error + Send + Sync + 'static,
{
    let begun = Instant::now();
    let end = begun + span;
    let next = AtomicU64::new(0);
    let start = || operation(next.fetch_add(1, Ordering::Relaxed));
    let mut running = JoinSet::new();
    for _ in 0..in_flight {
        running.spawn(start());
    }
    let mut done = 0_u32;
    let mut failed = 0_u32;
    let mut last_failure = None;
    while let Some(outcome) = running.join_next().await {
        match outcome? {
            Ok(_) => done += 1,
            Err(error) => {
                failed += 1;
                last_failure = Some(error);
            }
        }
        if Instant::now() < end {
            running.spawn(start());
        }
    }
    if let Some(error) = last_failure {
        if done == 0 {
            return Err(error.into());
        }
        eprintln!("{failed} of {} operations failed: {error}", done + failed);
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}
