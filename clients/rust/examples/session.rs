//! Reads its own writes at the weakest level, through any node: `cargo run --example session`, with a cluster at
//! 127.0.0.1:7400 (`npm start`) or at the endpoints in `KINDRED_ENDPOINTS`.

use kindred_client::{Client, ConsistencyLevel, GetResult, ReadOptions, WriteOptions};

#[tokio::main]
async fn main() -> Result<(), kindred_client::Error> {
    let client = Client::builder(endpoints())
        .read_options(ReadOptions::new().consistency(ConsistencyLevel::One))
        .write_options(WriteOptions::new().consistency(ConsistencyLevel::One))
        .connect()
        .await?;

    let session = client.session();
    for step in 0..100 {
        session.put("default", "progress", step.to_string()).await?;
        let GetResult::Found(found) = session.get("default", "progress").await? else {
            panic!("the session sees what it wrote");
        };
        assert_eq!(found.value.data, step.to_string());
    }
    println!("100 writes, each read back at ONE");
    Ok(())
}

fn endpoints() -> Vec<String> {
    std::env::var("KINDRED_ENDPOINTS")
        .unwrap_or_else(|_| "127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402".to_owned())
        .split(',')
        .map(str::to_owned)
        .collect()
}
