//! The program that clients/conformance talks to: a JSON request a line on stdin, a JSON answer a line on stdout, in any
//! order, matched by id. It ends when stdin does.

mod json;
mod operations;
mod update;

use std::collections::HashMap;
use std::io::{BufRead as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::Notify;

use crate::json::Failure;
use crate::operations::Testee;

/// The requests under way, by id, and how to cancel them.
type UnderWay = Arc<Mutex<HashMap<u64, Arc<Notify>>>>;

#[tokio::main]
async fn main() {
    let (lines, mut requests) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let testee = Arc::new(Testee::default());
    let under_way = UnderWay::default();
    while let Some(line) = requests.recv().await {
        let request: Json = match serde_json::from_str(&line) {
            Ok(request) => request,
            Err(error) => {
                answer(&Json::Null, Err(Failure::Unknown(error.to_string())));
                continue;
            }
        };
        start(&testee, &under_way, request);
    }
}

/// Starts a request. What others depend on (clients, sessions, pipelines, cancellations) is done on return.
fn start(testee: &Arc<Testee>, under_way: &UnderWay, request: Json) {
    let id = request["id"].clone();
    if request["op"] == "cancel" {
        let of = request["of"].as_u64().unwrap_or_default();
        if let Some(cancel) = under_way.lock().expect("not poisoned").get(&of) {
            cancel.notify_one();
        }
        return answer(&id, Ok(json!({})));
    }
    if let Some(done) = testee.set_up(&request) {
        return answer(&id, done);
    }
    let number = id.as_u64().unwrap_or_default();
    let cancel = Arc::new(Notify::new());
    under_way
        .lock()
        .expect("not poisoned")
        .insert(number, Arc::clone(&cancel));
    let testee = Arc::clone(testee);
    let under_way = Arc::clone(under_way);
    tokio::spawn(async move {
        let after = request["cancelAfterMs"].as_u64();
        let result = tokio::select! {
            result = testee.carry_out(&request) => result,
            // Dropping the future is how an operation is cancelled.
            () = cancel.notified() => Err(Failure::cancelled(&request)),
            () = elapse(after) => Err(Failure::cancelled(&request)),
        };
        under_way.lock().expect("not poisoned").remove(&number);
        answer(&id, result);
    });
}

async fn elapse(ms: Option<u64>) {
    match ms {
        Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        None => std::future::pending().await,
    }
}

fn answer(id: &Json, result: Result<Json, Failure>) {
    let line = match result {
        Ok(ok) => json!({ "id": id, "ok": ok }),
        Err(failure) => json!({ "id": id, "error": failure.to_json() }),
    };
    let mut output = std::io::stdout().lock();
    // The runner may have gone.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}
