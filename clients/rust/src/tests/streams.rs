use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tonic::Code;

use super::node::{Node, Reply, failure};
use super::{Answer, client_of, found, request_id, stored};
use crate::proto::operation::Op;
use crate::proto::{DeleteResponse, ErrorReason, WriteOutcome};
use crate::{Delete, Error, Mutation, Outcome, Pipeline, Put, WriteOptions};

fn unknown_bucket() -> Reply {
    Reply::Fail(failure(
        Code::NotFound,
        ErrorReason::BucketUnknown,
        WriteOutcome::NotApplied,
    ))
}

fn draining() -> Reply {
    Reply::Fail(failure(
        Code::Unavailable,
        ErrorReason::NodeDraining,
        WriteOutcome::NotApplied,
    ))
}

fn bucket(operation: &Op) -> &str {
    let key = match operation {
        Op::Get(get) => &get.key,
        Op::Put(put) => &put.key,
        Op::Delete(delete) => &delete.key,
        Op::Touch(touch) => &touch.key,
    };
    &key.as_ref().unwrap().bucket
}

/// Puts that many keys at once, and waits for all.
async fn put_all(pipeline: &Pipeline, count: usize) -> Vec<Result<(), Error>> {
    let mut puts = JoinSet::new();
    for n in 0..count {
        let pipeline = pipeline.clone();
        puts.spawn(async move {
            let stored = pipeline.put("default", n.to_string(), "value").await;
            stored.map(drop)
        });
    }
    puts.join_all().await
}

#[tokio::test]
async fn a_pipeline_matches_answers_with_operations() {
    let node = Node::start(|operation| match (bucket(operation), operation) {
        ("nowhere", _) => unknown_bucket(),
        (_, Op::Get(_)) => Reply::Answer(found("value")),
        _ => Reply::Answer(stored(1)),
    })
    .await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let pipeline = client.pipeline();
    let (get, put, lost) = tokio::join!(
        async { pipeline.get("default", "key").await },
        async { pipeline.put("default", "key", "value").await },
        async { pipeline.put("nowhere", "key", "value").await },
    );
    assert_eq!(get.unwrap().context().as_bytes(), "found");
    assert_eq!(put.unwrap().context.as_bytes(), "stored");
    let error = lost.unwrap_err();
    assert_eq!(error.reason(), ErrorReason::BucketUnknown);
    assert_eq!(error.outcome(), Some(Outcome::NotApplied));
}

#[tokio::test]
async fn a_pipeline_sends_again_what_a_broken_stream_left() {
    let sent = AtomicUsize::new(0);
    let node = Node::start(move |_| match sent.fetch_add(1, Ordering::Relaxed) {
        20 => Reply::EndStream,
        _ => Reply::Answer(stored(1)),
    })
    .await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let results = put_all(&client.pipeline(), 100).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let mut ids: Vec<_> = node.received().iter().map(request_id).collect();
    assert!(ids.len() > 100);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100);
}

#[tokio::test]
async fn a_pipeline_has_no_more_in_flight_than_it_may() {
    let node = Node::start(|_| Reply::Hang).await;
    let client = client_of(&[&node])
        .timeout(Duration::from_millis(200))
        .connect()
        .await
        .unwrap();
    let pipeline = client.pipeline_with_in_flight(3);
    let putting = tokio::spawn(async move { put_all(&pipeline, 10).await });
    while node.received().len() < 3 {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    assert_eq!(node.received().len(), 3);
    for result in putting.await.unwrap() {
        let error = result.unwrap_err();
        assert_eq!(error.code(), Code::DeadlineExceeded);
        assert_eq!(error.outcome(), Some(Outcome::Unknown));
    }
}

#[tokio::test]
async fn a_closed_pipeline_has_finished_and_takes_no_more() {
    let node = Node::start(|_| Reply::Answer(stored(1))).await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let pipeline = client.pipeline();
    let results = put_all(&pipeline, 10).await;
    assert!(results.iter().all(Result::is_ok));
    pipeline.close().await;
    pipeline.close().await;
    let error = pipeline.put("default", "key", "value").await.unwrap_err();
    assert_eq!(error.outcome(), Some(Outcome::NotApplied));
    assert_eq!(error.attempts(), 0);
}

#[tokio::test]
async fn an_operation_that_fits_no_message_does_not_end_the_stream() {
    let node = Node::start(|_| Reply::Answer(stored(1))).await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let pipeline = client.pipeline();
    let huge = vec![0; 5 * 1024 * 1024];
    let error = pipeline.put("default", "key", huge).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(error.reason(), ErrorReason::TooLarge);
    pipeline.put("default", "key", "value").await.unwrap();
}

#[tokio::test]
async fn a_batch_sends_again_only_the_items_that_failed_for_now() {
    let failed = AtomicUsize::new(0);
    let node = Node::start(move |operation| match bucket(operation) {
        "nowhere" => unknown_bucket(),
        "slow" if failed.fetch_add(1, Ordering::Relaxed) == 0 => draining(),
        _ => match operation {
            Op::Delete(_) => Reply::Answer(Answer::Delete(DeleteResponse::default())),
            _ => Reply::Answer(stored(1)),
        },
    })
    .await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let mutations: [Mutation; 4] = [
        Put::of("default", "a", "value").into(),
        Delete::of("nowhere", "b").into(),
        Put::of("slow", "c", "value").into(),
        Delete::of("default", "d").into(),
    ];
    let results = client.batch_write(mutations).await.unwrap();
    assert_eq!(results.len(), 4);
    for index in [0, 2, 3] {
        assert!(results[index].is_ok(), "{results:?}");
    }
    let error = results[1].as_ref().unwrap_err();
    assert_eq!(error.reason(), ErrorReason::BucketUnknown);
    let received = node.received();
    assert_eq!(received.len(), 5);
    assert_eq!(request_id(&received[2]), request_id(&received[4]));
}

#[tokio::test]
async fn an_item_of_a_batch_with_a_request_id_is_not_sent_again_after_its_failure_for_good() {
    let failed = AtomicUsize::new(0);
    let node = Node::start(move |operation| match bucket(operation) {
        "nowhere" => unknown_bucket(),
        _ if failed.fetch_add(1, Ordering::Relaxed) == 0 => draining(),
        _ => Reply::Answer(stored(1)),
    })
    .await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let mutations: [Mutation; 3] = [
        Put::of("nowhere", "a", "value").into(),
        Put::of("default", "b", "value").into(),
        Put::of("nowhere", "c", "value").request_id([7; 16]).into(),
    ];
    let mut batch_id = [0; 16];
    batch_id[15] = 0x83;
    let results = client
        .batch_write(mutations)
        .options(WriteOptions::new().request_id(batch_id))
        .await
        .unwrap();
    assert_eq!(
        results[0].as_ref().unwrap_err().outcome(),
        Some(Outcome::NotApplied)
    );
    assert!(results[1].is_ok(), "{results:?}");
    let received = node.received();
    let id = results[0].as_ref().unwrap_err().request_id().unwrap();
    assert_eq!(id.as_bytes()[..], request_id(&received[0]));
    // The id of the batch, exclusive-or the position; unless the item has one.
    let last_bytes = received.iter().map(|operation| request_id(operation)[15]);
    assert_eq!(last_bytes.collect::<Vec<_>>(), [0x83, 0x82, 7, 0x82]);
}

#[tokio::test]
async fn a_batch_sends_again_the_items_that_had_no_answer() {
    let first = AtomicUsize::new(0);
    let node = Node::start(move |_| match first.fetch_add(1, Ordering::Relaxed) {
        1 => Reply::EndStream,
        _ => Reply::Answer(found("value")),
    })
    .await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let keys = ["a", "b", "c"].map(|key| ("default", key));
    let results = client.batch_get(keys).await.unwrap();
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(results.len(), 3);
    // a was answered; b ended the stream before c.
    assert_eq!(node.received().len(), 4);
}

#[tokio::test]
async fn a_batch_that_reaches_no_node_fails_as_a_whole() {
    let node = Node::start(|_| draining()).await;
    let client = client_of(&[&node]).attempts(2).connect_lazy().unwrap();
    let results = client.batch_get([("default", "key")]).await.unwrap();
    let error = results[0].as_ref().unwrap_err();
    assert_eq!(error.attempts(), 2);
    drop(node);

    let client = crate::Client::builder(["127.0.0.1:1"])
        .attempts(2)
        .connect_lazy()
        .unwrap();
    let error = client.batch_get([("default", "key")]).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
}
