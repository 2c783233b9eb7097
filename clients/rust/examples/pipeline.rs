//! Many writes in flight over one stream: `cargo run --example pipeline`, with a cluster at 127.0.0.1:7400 (`npm start`) or
//! at the endpoints in `KINDRED_ENDPOINTS`.

use std::future::IntoFuture as _;
use std::time::Instant;

use kindred_client::{Client, Error, Outcome};
use tokio::task::JoinSet;

const WRITES: u32 = 5_000;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = Client::connect(endpoints()).await?;
    let pipeline = client.pipeline();
    let begun = Instant::now();

    let mut puts = JoinSet::new();
    for n in 0..WRITES {
        let put = pipeline.put("default", format!("reading-{n}"), n.to_string());
        puts.spawn(put.into_future());
    }
    for put in puts.join_all().await {
        if let Err(error) = put {
            match error.outcome() {
                Some(Outcome::NotApplied) => println!("not written: {error}"),
                _ => println!("perhaps written: {error}"),
            }
        }
    }
    pipeline.close().await;

    let rate = f64::from(WRITES) / begun.elapsed().as_secs_f64();
    println!("{WRITES} writes, {rate:.0} a second");
    Ok(())
}

fn endpoints() -> Vec<String> {
    std::env::var("KINDRED_ENDPOINTS")
        .unwrap_or_else(|_| "127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402".to_owned())
        .split(',')
        .map(str::to_owned)
        .collect()
}
