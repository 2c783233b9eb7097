use std::future::IntoFuture as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tonic::Code;

use super::node::{Node, Reply, detail, failure, failure_with};
use super::{client_of, found, request_id, stored};
use crate::proto::operation::Op;
use crate::proto::{ErrorReason, WriteOutcome};
use crate::{Client, Outcome};

/// Replies with each of these once, in order, and with the last one from then on.
fn in_order<const N: usize>(replies: [fn() -> Reply; N]) -> impl Fn(&Op) -> Reply + Send + Sync {
    let next = AtomicUsize::new(0);
    move |_| replies[next.fetch_add(1, Ordering::Relaxed).min(N - 1)]()
}

fn draining() -> Reply {
    Reply::Fail(failure(
        Code::Unavailable,
        ErrorReason::NodeDraining,
        WriteOutcome::NotApplied,
    ))
}

fn timed_out() -> Reply {
    Reply::Fail(failure(
        Code::DeadlineExceeded,
        ErrorReason::QuorumTimeout,
        WriteOutcome::Unknown,
    ))
}

fn key_exists() -> Reply {
    let mut detail = detail(ErrorReason::KeyExists, WriteOutcome::NotApplied);
    detail.context = bytes::Bytes::from_static(b"there");
    Reply::Fail(failure_with(Code::FailedPrecondition, &detail))
}

#[tokio::test]
async fn a_transient_failure_is_retried_with_the_same_request_id() {
    let node = Node::start(in_order([draining, || Reply::Answer(stored(1))])).await;
    let client = client_of(&[&node]).connect().await.unwrap();
    client.put("default", "key", "value").await.unwrap();
    let [first, second] = &node.received()[..] else {
        panic!("{:?}", node.received());
    };
    assert_eq!(request_id(first), request_id(second));
}

#[tokio::test]
async fn another_write_has_another_request_id() {
    let node = Node::start(|_| Reply::Answer(stored(1))).await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let put = client.put("default", "key", "value");
    put.clone().await.unwrap();
    put.await.unwrap();
    let received = node.received();
    assert_ne!(request_id(&received[0]), request_id(&received[1]));
}

#[tokio::test]
async fn a_failure_for_good_is_not_retried() {
    let node = Node::start(|_| key_exists()).await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let error = client.put("default", "key", "value").await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert_eq!(error.reason(), ErrorReason::KeyExists);
    assert_eq!(error.outcome(), Some(Outcome::NotApplied));
    assert_eq!(error.context().unwrap().as_bytes(), "there");
    assert_eq!(error.attempts(), 1);
    assert_eq!(error.endpoint(), Some(node.address.as_str()));
    assert_eq!(
        error.to_string(),
        "told to fail [FAILED_PRECONDITION, KEY_EXISTS, not applied]"
    );
    assert_eq!(node.received().len(), 1);
}

#[tokio::test]
async fn attempts_are_bounded() {
    let node = Node::start(|_| draining()).await;
    let client = client_of(&[&node]).attempts(3).connect().await.unwrap();
    let error = client.get("default", "key").await.unwrap_err();
    assert_eq!(error.attempts(), 3);
    assert_eq!(error.outcome(), None);
    assert_eq!(node.received().len(), 3);
}

#[tokio::test]
async fn after_an_unknown_attempt_the_write_stays_unknown() {
    let node = Node::start(in_order([timed_out, key_exists])).await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let error = client.put("default", "key", "value").await.unwrap_err();
    assert_eq!(error.reason(), ErrorReason::KeyExists);
    assert_eq!(error.outcome(), Some(Outcome::Unknown));
    assert_eq!(error.attempts(), 2);
}

#[tokio::test]
async fn the_next_attempt_goes_to_another_endpoint() {
    let bad = Node::start(|_| draining()).await;
    let good = Node::start(|_| Reply::Answer(found("value"))).await;
    let client = client_of(&[&bad, &good]).connect().await.unwrap();
    for _ in 0..4 {
        let _ = client.get("default", "key").await.unwrap();
    }
    assert_eq!(good.received().len(), 4);
}

#[tokio::test]
async fn the_server_says_how_long_to_wait() {
    let overloaded = || {
        let mut detail = detail(ErrorReason::NodeOverloaded, WriteOutcome::NotApplied);
        detail.retry_after = Some(Duration::from_millis(300).try_into().unwrap());
        Reply::Fail(failure_with(Code::ResourceExhausted, &detail))
    };
    let node = Node::start(in_order([overloaded, || Reply::Answer(stored(1))])).await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let begun = Instant::now();
    client.put("default", "key", "value").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn time_that_is_over_leaves_a_write_unknown() {
    let node = Node::start(|_| Reply::Hang).await;
    let client = client_of(&[&node])
        .timeout(Duration::from_millis(100))
        .connect()
        .await
        .unwrap();
    let error = client.put("default", "key", "value").await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert_eq!(error.outcome(), Some(Outcome::Unknown));
    let id = error.request_id().unwrap();
    assert_eq!(id.as_bytes()[..], request_id(&node.received()[0]));
    let error = client.get("default", "key").await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert_eq!(error.outcome(), None);
    assert_eq!(error.request_id(), None);
}

#[tokio::test]
async fn a_node_that_does_not_tell_the_placement_leaves_operations_time() {
    let node = Node::start(|_| Reply::Answer(stored(1))).await;
    let client = client_of(&[&node])
        .timeout(Duration::from_secs(1))
        .direct_routing(true)
        .connect()
        .await
        .unwrap();
    let put = || async { client.put("default", "key", "value").await };
    let (one, two) = tokio::join!(put(), put());
    one.unwrap();
    two.unwrap();
}

#[tokio::test]
async fn what_was_never_sent_is_not_applied() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let client = Client::builder([address.clone()]).connect_lazy().unwrap();
    let error = client.put("default", "key", "value").await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(error.outcome(), Some(Outcome::NotApplied));
    assert_eq!(error.attempts(), 4);
    assert!(error.message().contains(&address), "{error}");
    assert!(Client::connect([address]).await.is_err());
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_a_write_unknown() {
    // Accepts, reads what comes for the call, and hangs up.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let node = tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut preface = [0; 200];
                let _ = connection.read_exact(&mut preface).await;
            });
        }
    });
    let client = Client::builder([address]).connect_lazy().unwrap();
    let error = client.put("default", "key", "value").await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
    assert_eq!(error.outcome(), Some(Outcome::Unknown));
    assert!(error.is_safe_to_retry());
    node.abort();
}

#[tokio::test]
async fn an_endpoint_that_comes_up_later_is_used() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let client = Client::builder([address.clone()]).connect_lazy().unwrap();
    client.get("default", "key").await.unwrap_err();
    let _node = Node::start_at(&address, |_| Reply::Answer(found("value"))).await;
    let _ = client.get("default", "key").await.unwrap();
}

#[tokio::test]
async fn dropping_the_future_cancels_the_operation() {
    let node = Node::start(|_| Reply::Hang).await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let get = tokio::spawn(client.get("default", "key").into_future());
    while node.received().is_empty() {
        tokio::task::yield_now().await;
    }
    get.abort();
    assert!(get.await.unwrap_err().is_cancelled());
    assert_eq!(node.received().len(), 1);
}
