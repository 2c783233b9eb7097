//! A greeting is stored, read, deleted: `cargo run --example quickstart`, with a cluster at 127.0.0.1:7400 (`npm start`) or at
//! the endpoints in `KINDRED_ENDPOINTS`.

use kindred_client::{Client, GetResult};

#[tokio::main]
async fn main() -> Result<(), kindred_client::Error> {
    let client = Client::connect(endpoints()).await?;

    let stored = client.put("default", "greeting", "hello").await?;
    println!(
        "stored as {} on {} replicas",
        stored.dot, stored.report.acked
    );

    match client.get("default", "greeting").await? {
        GetResult::Found(found) => println!("found {:?}", found.value.data),
        GetResult::Conflict(conflict) => println!("{} writes raced", conflict.versions.len()),
        GetResult::Absent(_) => println!("nothing there"),
    }

    client
        .delete("default", "greeting")
        .context(&stored.context)
        .await?;
    Ok(())
}

fn endpoints() -> Vec<String> {
    std::env::var("KINDRED_ENDPOINTS")
        .unwrap_or_else(|_| "127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402".to_owned())
        .split(',')
        .map(str::to_owned)
        .collect()
}
