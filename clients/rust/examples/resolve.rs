//! Two writers race, and a resolver makes one cart of both: `cargo run --example resolve`, with a cluster at 127.0.0.1:7400
//! (`npm start`) or at the endpoints in `KINDRED_ENDPOINTS`.

use std::collections::BTreeSet;

use kindred_client::{Client, GetResult, Value, union};

#[tokio::main]
async fn main() -> Result<(), kindred_client::Error> {
    let client = Client::builder(endpoints())
        .resolver("default", union(items, cart))
        .connect()
        .await?;

    // Ann and Ben have both seen the milk, and have not seen each other.
    let milk = client.put("default", "cart", "milk").await?;
    for racing in ["milk\neggs", "milk\nbread"] {
        client
            .put("default", "cart", racing)
            .context(&milk.context)
            .await?;
    }
    if let GetResult::Conflict(conflict) = client.get("default", "cart").await? {
        println!("{} versions raced", conflict.versions.len());
    }

    // The update is shown the union of both, and what it makes of that replaces both.
    let updated = client
        .update("default", "cart", |current| {
            let mut items = current.map(items).unwrap_or_default();
            items.insert("butter".to_owned());
            cart(items)
        })
        .await?;
    let items = updated.value.as_ref().map(items).unwrap_or_default();
    println!("in the cart: {}", Vec::from_iter(items).join(", "));
    Ok(())
}

/// One item a line.
fn items(cart: &Value) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(&cart.data);
    text.lines().map(str::to_owned).collect()
}

fn cart(items: BTreeSet<String>) -> Value {
    Value::from(Vec::from_iter(items).join("\n")).with_content_type("text/plain")
}

fn endpoints() -> Vec<String> {
    std::env::var("KINDRED_ENDPOINTS")
        .unwrap_or_else(|_| "127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402".to_owned())
        .split(',')
        .map(str::to_owned)
        .collect()
}
