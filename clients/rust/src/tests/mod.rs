//! The client against nodes that answer as the test tells them to.

mod node;
mod operations;
mod retries;
mod streams;

use bytes::Bytes;

use crate::proto::operation::Op;
use crate::proto::operation_result::Result as Answer;
use crate::proto::{self, get_response};
use crate::{Client, ClientBuilder};
use node::Node;

fn client_of(nodes: &[&Node]) -> ClientBuilder {
    Client::builder(nodes.iter().map(|node| node.address.clone()))
}

fn found(data: &'static str) -> Answer {
    Answer::Get(proto::GetResponse {
        state: get_response::State::Found.into(),
        versions: vec![version(data, 1)],
        context: Bytes::from_static(b"found"),
        report: None,
    })
}

fn conflict(data: &[&'static str]) -> Answer {
    let versions = (1..)
        .zip(data)
        .map(|(replica, data)| version(data, replica));
    Answer::Get(proto::GetResponse {
        state: get_response::State::Conflict.into(),
        versions: versions.collect(),
        context: Bytes::from_static(b"conflict"),
        report: None,
    })
}

fn version(data: &'static str, replica: u64) -> proto::Version {
    proto::Version {
        body: Some(proto::version::Body::Value(proto::Value {
            data: Bytes::from_static(data.as_bytes()),
            ..proto::Value::default()
        })),
        dot: Some(proto::Dot {
            replica,
            epoch: 1,
            counter: 1,
        }),
        ..proto::Version::default()
    }
}

fn stored(versions_held: u32) -> Answer {
    Answer::Put(proto::PutResponse {
        context: Bytes::from_static(b"stored"),
        versions_held,
        ..proto::PutResponse::default()
    })
}

/// The request id of a write, which must have one.
fn request_id(operation: &Op) -> Bytes {
    let options = match operation {
        Op::Put(put) => &put.options,
        Op::Delete(delete) => &delete.options,
        Op::Touch(touch) => &touch.options,
        Op::Get(_) => panic!("a read has none"),
    };
    let id = options.as_ref().unwrap().request_id.clone();
    assert_eq!(id.len(), 16);
    id
}
