use std::sync::Mutex;

use bytes::Bytes;
use tonic::Code;

use super::node::{Node, Reply, failure};
use super::{Answer, client_of, conflict, found, request_id, stored};
use crate::proto::operation::Op;
use crate::proto::{ErrorReason, ReadOptions, WriteOutcome, put_request};
use crate::{Change, GetResult, Outcome, Value, last_writer, proto};

/// Replies with these, in order. More operations than replies fail the test.
fn script(replies: Vec<Reply>) -> impl Fn(&Op) -> Reply + Send + Sync {
    let replies = Mutex::new(replies.into_iter());
    move |_| replies.lock().unwrap().next().expect("one more reply")
}

fn absent() -> Reply {
    Reply::Answer(Answer::Get(proto::GetResponse {
        context: Bytes::from_static(b"absent"),
        ..proto::GetResponse::default()
    }))
}

fn too_many_siblings() -> Reply {
    Reply::Fail(failure(
        Code::FailedPrecondition,
        ErrorReason::TooManySiblings,
        WriteOutcome::NotApplied,
    ))
}

/// What a put stores, and what it supersedes.
fn put(operation: &Op) -> (&[u8], &[u8]) {
    let Op::Put(put) = operation else {
        panic!("{operation:?} is no put");
    };
    let context = match &put.causality {
        Some(put_request::Causality::Context(context)) => context.as_ref(),
        _ => b"",
    };
    (&put.value.as_ref().unwrap().data, context)
}

fn read_options(operation: &Op) -> &ReadOptions {
    match operation {
        Op::Get(get) => get.options.as_ref().unwrap(),
        _ => panic!("{operation:?} is no get"),
    }
}

fn append(current: Option<&Value>, text: &str) -> Value {
    let mut data = current.map_or_else(Vec::new, |value| value.data.to_vec());
    data.extend_from_slice(text.as_bytes());
    data.into()
}

/// All values, joined with `+`; nothing if there is none.
fn join(versions: &[crate::Version]) -> Option<Value> {
    let values = versions.iter().filter_map(|version| version.value.as_ref());
    let data: Vec<&[u8]> = values.map(|value| value.data.as_ref()).collect();
    (!data.is_empty()).then(|| data.join(b"+".as_slice()).into())
}

#[tokio::test]
async fn a_read_answers_with_what_is_there() {
    let node = Node::start(script(vec![
        Reply::Answer(found("one")),
        Reply::Answer(conflict(&["one", "two"])),
        absent(),
    ]))
    .await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let GetResult::Found(one) = client.get("default", "key").await.unwrap() else {
        panic!("found");
    };
    assert_eq!(one.value, Value::from("one"));
    let GetResult::Conflict(two) = client.get("default", "key").await.unwrap() else {
        panic!("conflict");
    };
    assert_eq!(two.versions[1].value, Some("two".into()));
    assert_eq!(two.versions[1].stamp.dot.replica, 2);
    let GetResult::Absent(nothing) = client.get("default", "key").await.unwrap() else {
        panic!("absent");
    };
    assert_eq!(nothing.context.as_bytes(), "absent");
}

#[tokio::test]
async fn an_update_writes_with_the_context_that_it_read() {
    let node = Node::start(script(vec![
        Reply::Answer(found("a")),
        Reply::Answer(stored(1)),
    ]))
    .await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let updated = client
        .update("default", "key", |current| append(current, "b"))
        .await
        .unwrap();
    assert_eq!(updated.value, Some("ab".into()));
    assert_eq!(updated.context.as_bytes(), "stored");
    let received = node.received();
    assert_eq!(
        read_options(&received[0]).strength,
        Some(proto::read_options::Strength::Consistency(
            proto::ConsistencyLevel::Quorum.into()
        ))
    );
    assert_eq!(put(&received[1]), (b"ab".as_slice(), b"found".as_slice()));
}

#[tokio::test]
async fn an_update_resolves_what_it_reads_and_what_raced_it() {
    let node = Node::start(script(vec![
        Reply::Answer(conflict(&["a", "b"])),
        Reply::Answer(stored(2)),
        Reply::Answer(conflict(&["a+b!", "c"])),
        Reply::Answer(stored(1)),
    ]))
    .await;
    let client = client_of(&[&node])
        .resolver("", join)
        .connect()
        .await
        .unwrap();
    let updated = client
        .update("default", "key", |current| append(current, "!"))
        .await
        .unwrap();
    assert_eq!(updated.value, Some("a+b!+c".into()));
    assert_eq!(updated.versions_held, 1);
    let received = node.received();
    assert_eq!(
        put(&received[1]),
        (b"a+b!".as_slice(), b"conflict".as_slice())
    );
    assert_eq!(read_options(&received[2]).min_context, "stored");
    assert_eq!(
        put(&received[3]),
        (b"a+b!+c".as_slice(), b"conflict".as_slice())
    );
    assert_ne!(request_id(&received[1]), request_id(&received[3]));
}

#[tokio::test]
async fn an_update_without_a_resolver_shows_the_conflict() {
    let node = Node::start(script(vec![Reply::Answer(conflict(&["a", "b"]))])).await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let error = client
        .update("default", "key", |current| append(current, "!"))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), ErrorReason::Conflict);
    assert_eq!(error.outcome(), Some(Outcome::NotApplied));
    let conflict = error.conflict().unwrap();
    assert_eq!(conflict.versions.len(), 2);
    assert!(!conflict.applied);
    assert_eq!(conflict.context.as_bytes(), "conflict");
}

#[tokio::test]
async fn an_update_begins_anew_when_its_write_was_refused_for_a_race() {
    let node = Node::start(script(vec![
        Reply::Answer(found("a")),
        too_many_siblings(),
        Reply::Answer(found("b")),
        Reply::Answer(stored(1)),
    ]))
    .await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let updated = client
        .update("default", "key", |current| append(current, "!"))
        .await
        .unwrap();
    assert_eq!(updated.value, Some("b!".into()));
}

#[tokio::test]
async fn an_update_that_is_raced_for_ever_says_that_it_is_applied() {
    let node = Node::start(|operation| match operation {
        Op::Get(_) => Reply::Answer(conflict(&["a", "b"])),
        _ => Reply::Answer(stored(2)),
    })
    .await;
    let client = client_of(&[&node])
        .update_attempts(3)
        .connect()
        .await
        .unwrap();
    let error = client
        .update("default", "key", |current| append(current, "!"))
        .resolver(last_writer)
        .await
        .unwrap_err();
    assert!(error.conflict().unwrap().applied);
    assert_eq!(error.conflict().unwrap().versions.len(), 2);
    assert_eq!(error.outcome(), None);
    // The update's own read and write, three rounds of both, and a last look.
    assert_eq!(node.received().len(), 2 + 3 * 2 + 1);
}

#[tokio::test]
async fn an_update_may_keep_or_delete() {
    let node = Node::start(script(vec![
        Reply::Answer(found("a")),
        Reply::Answer(found("a")),
        Reply::Answer(Answer::Delete(proto::DeleteResponse::default())),
    ]))
    .await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let kept = client
        .update("default", "key", |_| Change::Keep)
        .await
        .unwrap();
    assert_eq!(kept.value, Some("a".into()));
    let deleted = client
        .update("default", "key", |_| Change::Delete)
        .await
        .unwrap();
    assert_eq!(deleted.value, None);
    assert!(matches!(node.received()[2], Op::Delete(_)));
}

#[tokio::test]
async fn a_session_goes_on_from_its_last_answer() {
    let node = Node::start(|operation| match operation {
        Op::Get(_) => Reply::Answer(found("value")),
        _ => Reply::Answer(stored(1)),
    })
    .await;
    let client = client_of(&[&node]).connect().await.unwrap();
    let session = client.session();
    session.put("default", "key", "one").await.unwrap();
    let _ = session.get("", "key").await.unwrap();
    session.put("default", "key", "two").await.unwrap();
    let _ = session.get("default", "other").await.unwrap();
    session
        .update("default", "key", |current| append(current, "!"))
        .await
        .unwrap();
    let received = node.received();
    assert_eq!(put(&received[0]), (b"one".as_slice(), b"".as_slice()));
    assert_eq!(read_options(&received[1]).min_context, "stored");
    assert_eq!(put(&received[2]), (b"two".as_slice(), b"found".as_slice()));
    assert_eq!(read_options(&received[3]).min_context, "");
    assert_eq!(read_options(&received[4]).min_context, "stored");
}

#[tokio::test]
async fn a_session_remembers_an_applied_update_that_ends_in_a_conflict() {
    let node = Node::start(|operation| match operation {
        Op::Get(_) => Reply::Answer(conflict(&["a", "b"])),
        _ => Reply::Answer(stored(2)),
    })
    .await;
    let client = client_of(&[&node])
        .update_attempts(1)
        .connect()
        .await
        .unwrap();
    let session = client.session();
    let update = session.update("default", "key", |current| append(current, "!"));
    let error = update.resolver(last_writer).await.unwrap_err();
    assert!(error.conflict().unwrap().applied);
    let _ = session.get("default", "key").await.unwrap();
    let received = node.received();
    assert_eq!(read_options(received.last().unwrap()).min_context, "stored");
}

#[tokio::test]
async fn an_update_that_loses_every_race_fails_with_the_conflict() {
    let node = Node::start(|operation| match operation {
        Op::Get(_) => Reply::Answer(found("a")),
        _ => too_many_siblings(),
    })
    .await;
    let client = client_of(&[&node])
        .update_attempts(2)
        .connect()
        .await
        .unwrap();
    let error = client
        .update("default", "key", |current| append(current, "!"))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), ErrorReason::TooManySiblings);
    assert_eq!(error.outcome(), Some(Outcome::NotApplied));
    let conflict = error.conflict().unwrap();
    assert!(!conflict.applied);
    assert_eq!(conflict.context.as_bytes(), "found");
    assert_eq!(node.received().len(), 4);
}

#[tokio::test]
async fn an_update_does_not_read_less_than_it_needs() {
    let node = Node::start(script(Vec::new())).await;
    let client = client_of(&[&node]).connect().await.unwrap();
    for options in [
        crate::ReadOptions::new().omit_data(),
        crate::ReadOptions::new().on_conflict(proto::ConflictMode::PickLatest),
    ] {
        let update = client.update("default", "key", |current| append(current, "!"));
        let error = update.read_options(options).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert_eq!(error.outcome(), Some(Outcome::NotApplied));
    }
}
