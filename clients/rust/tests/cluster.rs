//! The client against three real nodes, and the examples as a reader runs them.
#![allow(missing_docs, reason = "a test")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kindred_client::{
    Client, ConsistencyLevel, GetResult, Outcome, ReadOptions, RequestId, Value, WriteOutcome,
    last_writer,
};

/// How long a cluster may take to start, on a machine that is busy.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A cluster of three nodes on ports that were free a moment ago; it ends with the test.
struct Cluster {
    process: Child,
    endpoints: Vec<String>,
}

impl Cluster {
    async fn start() -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let base = free_port_base();
        let installed = repository.join("node_modules/.bin/node");
        let node = if installed.exists() {
            installed
        } else {
            PathBuf::from("node")
        };
        let process = Command::new(node)
            .current_dir(&repository)
            .args(["src/main.ts", "dev", "--ephemeral", "--engine", "memory"])
            .args(["--log-level", "error", "--port-base", &base.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("Node and its packages: npm ci in the root of the repository");
        let cluster = Self {
            process,
            endpoints: (base..base + 3)
                .map(|port| format!("127.0.0.1:{port}"))
                .collect(),
        };
        cluster.wait_until_ready().await;
        cluster
    }

    async fn wait_until_ready(&self) {
        let client = Client::builder(&self.endpoints)
            .timeout(READY_WITHIN)
            .attempts(u32::MAX)
            .connect_lazy()
            .unwrap();
        let everywhere = client
            .put("default", "ready", "")
            .consistency(ConsistencyLevel::All);
        everywhere.await.expect("the cluster is ready");
    }

    async fn client(&self) -> Client {
        Client::connect(&self.endpoints).await.unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Asked to stop, it removes its data. Its nodes end with it.
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.process.wait();
    }
}

/// A number from which on the ports are free that three nodes need: for clients, for peers (100 above) and for HTTP (200
/// above).
fn free_port_base() -> u16 {
    let free = |base: u16| {
        [0, 100, 200].iter().all(|above| {
            (0..3).all(|node| TcpListener::bind(("127.0.0.1", base + above + node)).is_ok())
        })
    };
    let first = u16::try_from(25_000 + std::process::id() % 800).unwrap();
    (first..26_000).step_by(7).find(|&base| free(base)).unwrap()
}

fn key(name: &str) -> String {
    format!("cluster-test-{name}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn against_a_real_cluster() {
    let cluster = Cluster::start().await;
    siblings_are_resolved(&cluster).await;
    refused_writes_say_so(&cluster).await;
    a_repeated_write_counts_once(&cluster).await;
    direct_routing_finds_a_home(&cluster).await;
    examples_run(&cluster);
}

async fn siblings_are_resolved(cluster: &Cluster) {
    let client = cluster.client().await;
    let first = client.put("default", key("race"), "first").await.unwrap();
    for racing in ["second", "third"] {
        let put = client.put("default", key("race"), racing);
        put.context(&first.context).await.unwrap();
    }
    let GetResult::Conflict(conflict) = client.get("default", key("race")).await.unwrap() else {
        panic!("both writers had seen the first write, and neither the other's");
    };
    assert_eq!(conflict.versions.len(), 2);
    let dot = first.dot;
    assert!(
        conflict
            .versions
            .iter()
            .all(|version| version.stamp.clock.covers(dot))
    );

    let error = client
        .update("default", key("race"), |_| Value::from("no"))
        .await
        .unwrap_err();
    assert_eq!(error.conflict().unwrap().versions, conflict.versions);
    let updated = client
        .update("default", key("race"), |current| {
            let current = current.expect("the last writer wrote a value");
            Value::from([current.data.as_ref(), b"!"].concat())
        })
        .resolver(last_writer)
        .await
        .unwrap();
    assert_eq!(updated.value, Some("third!".into()));
    assert_eq!(updated.versions_held, 1);
}

async fn refused_writes_say_so(cluster: &Cluster) {
    let client = cluster.client().await;
    let error = client.put("nowhere", key("x"), "").await.unwrap_err();
    assert_eq!(error.outcome(), Some(Outcome::NotApplied));
    assert_eq!(error.code(), kindred_client::Code::NotFound);
    assert!(error.detail().is_some());
    let error = client.put("default", "", "").await.unwrap_err();
    assert_eq!(error.detail().unwrap().field, "key.key");
}

async fn a_repeated_write_counts_once(cluster: &Cluster) {
    let client = cluster.client().await;
    let id = RequestId::random();
    let put = client.put("default", key("once"), "value").request_id(id);
    let first = put.clone().await.unwrap();
    let second = put.await.unwrap();
    assert_eq!(first.dot, second.dot);
    assert!(second.report.replayed);
    let outcome = client.write_outcome("default", key("once"), id, ReadOptions::new());
    let WriteOutcome::Applied { dot, .. } = outcome.await.unwrap() else {
        panic!("the write has happened");
    };
    assert_eq!(dot, first.dot);
}

async fn direct_routing_finds_a_home(cluster: &Cluster) {
    // It is told of one node, and learns of the others.
    let client = Client::builder(&cluster.endpoints[..1])
        .direct_routing(true)
        .connect()
        .await
        .unwrap();
    let placement = client.placement("default").await.unwrap();
    let first_home = |key: &str| {
        let token = kindred_client::Placement::token("default", key.as_bytes());
        placement.homes(token).next().unwrap().to_owned()
    };
    let key = (0..1_000)
        .map(|n| key(&n.to_string()))
        .find(|key| first_home(key) != "n1")
        .unwrap();
    let routed = async {
        loop {
            // Until the table is there and the home is connected, any node does.
            let found = client.get("default", &key).await.unwrap();
            if found.report().coordinator == first_home(&key) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(READY_WITHIN, routed).await.unwrap();
}

/// Cargo builds the examples with the tests.
fn examples_run(cluster: &Cluster) {
    let folder = std::env::current_exe()
        .unwrap()
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples");
    for (example, says) in [
        ("quickstart", "found b\"hello\""),
        ("resolve", "in the cart: bread, butter, eggs, milk"),
        ("session", "each read back at ONE"),
        ("pipeline", "5000 writes"),
    ] {
        let run = Command::new(folder.join(example))
            .env("KINDRED_ENDPOINTS", cluster.endpoints.join(","))
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&run.stdout);
        let errors = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{example}: {output}{errors}");
        assert!(output.contains(says), "{example}: {output}");
    }
}
