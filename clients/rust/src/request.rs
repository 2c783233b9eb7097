use std::future::Future;

use bytes::Bytes;
use tonic::Status;

use crate::connection::Stub;
use crate::error::{Error, Kind};
use crate::options::RequestId;
use crate::proto::{self, operation, operation_result};
use crate::{Context, GetResult, PutResult, TouchResult};

/// Carries operations out. Cannot be named, and so not be implemented, outside of this crate.
pub trait Call {
    /// Carries one out.
    fn call<R: Request>(self, request: R) -> impl Future<Output = Result<R::Answer, Error>> + Send;
}

/// An operation on one key, as it goes over the wire: by itself or in a pipeline.
pub trait Request: Clone + Send + Sync + 'static {
    /// What the caller is given.
    type Answer: Answer;

    /// Whether it reads or writes.
    const KIND: Kind;

    /// Which key.
    fn key(&self) -> &proto::Key;

    /// Makes the operation start from what has been seen: a read answers no less, a write supersedes it.
    fn continue_from(&mut self, seen: &Context);

    /// Gives a write its identity, if it has none yet, and tells it; `None` for a read.
    fn identify(&mut self) -> Option<RequestId>;

    /// Sends it by itself.
    fn send(
        stub: Stub,
        request: tonic::Request<Self>,
    ) -> impl Future<Output = Result<Self::Answer, Status>> + Send;

    /// Sends it in a pipeline.
    fn into_operation(self) -> operation::Op;

    /// The answer out of a pipeline; `None` if it is that of another kind of operation.
    fn answer(result: operation_result::Result) -> Option<Self::Answer>;
}

/// The answer to an operation on one key.
pub trait Answer: Send + 'static {
    /// Covers what the answer tells, and the write.
    fn seen(&self) -> &Context;

    /// The layout of the cluster that the coordinator used; `None` if it did not say.
    fn topology_epoch(&self) -> Option<u64>;
}

pub(crate) fn key(bucket: impl Into<String>, key: impl AsRef<[u8]>) -> proto::Key {
    proto::Key {
        bucket: bucket.into(),
        key: Bytes::copy_from_slice(key.as_ref()),
    }
}

/// The name of a bucket: "" is another name of "default".
pub(crate) fn bucket_name(bucket: &str) -> &str {
    if bucket.is_empty() { "default" } else { bucket }
}

/// Gives the write a random id, unless it has one.
fn identify(options: &mut Option<proto::WriteOptions>) -> Option<RequestId> {
    let options = options.get_or_insert_default();
    if options.request_id.is_empty() {
        options.request_id = RequestId::random().into();
    }
    RequestId::try_from(options.request_id.as_ref()).ok()
}

fn key_of(key: Option<&proto::Key>) -> &proto::Key {
    static NONE: proto::Key = proto::Key {
        bucket: String::new(),
        key: Bytes::new(),
    };
    key.unwrap_or(&NONE)
}

impl Request for proto::GetRequest {
    type Answer = GetResult;
    const KIND: Kind = Kind::Read;

    fn key(&self) -> &proto::Key {
        key_of(self.key.as_ref())
    }

    fn continue_from(&mut self, seen: &Context) {
        self.options.get_or_insert_default().min_context = seen.as_bytes().clone();
    }

    fn identify(&mut self) -> Option<RequestId> {
        None
    }

    async fn send(mut stub: Stub, request: tonic::Request<Self>) -> Result<GetResult, Status> {
        Ok(stub.get(request).await?.into_inner().into())
    }

    fn into_operation(self) -> operation::Op {
        operation::Op::Get(self)
    }

    fn answer(result: operation_result::Result) -> Option<GetResult> {
        match result {
            operation_result::Result::Get(response) => Some(response.into()),
            _ => None,
        }
    }
}

impl Request for proto::PutRequest {
    type Answer = PutResult;
    const KIND: Kind = Kind::Write;

    fn key(&self) -> &proto::Key {
        key_of(self.key.as_ref())
    }

    fn continue_from(&mut self, seen: &Context) {
        self.causality = Some(proto::put_request::Causality::Context(
            seen.as_bytes().clone(),
        ));
    }

    fn identify(&mut self) -> Option<RequestId> {
        identify(&mut self.options)
    }

    async fn send(mut stub: Stub, request: tonic::Request<Self>) -> Result<PutResult, Status> {
        Ok(stub.put(request).await?.into_inner().into())
    }

    fn into_operation(self) -> operation::Op {
        operation::Op::Put(self)
    }

    fn answer(result: operation_result::Result) -> Option<PutResult> {
        match result {
            operation_result::Result::Put(response) => Some(response.into()),
            _ => None,
        }
    }
}

impl Request for proto::DeleteRequest {
    type Answer = PutResult;
    const KIND: Kind = Kind::Write;

    fn key(&self) -> &proto::Key {
        key_of(self.key.as_ref())
    }

    fn continue_from(&mut self, seen: &Context) {
        self.causality = Some(proto::delete_request::Causality::Context(
            seen.as_bytes().clone(),
        ));
    }

    fn identify(&mut self) -> Option<RequestId> {
        identify(&mut self.options)
    }

    async fn send(mut stub: Stub, request: tonic::Request<Self>) -> Result<PutResult, Status> {
        Ok(stub.delete(request).await?.into_inner().into())
    }

    fn into_operation(self) -> operation::Op {
        operation::Op::Delete(self)
    }

    fn answer(result: operation_result::Result) -> Option<PutResult> {
        match result {
            operation_result::Result::Delete(response) => Some(response.into()),
            _ => None,
        }
    }
}

impl Request for proto::TouchRequest {
    type Answer = TouchResult;
    const KIND: Kind = Kind::Write;

    fn key(&self) -> &proto::Key {
        key_of(self.key.as_ref())
    }

    fn continue_from(&mut self, seen: &Context) {
        self.context = seen.as_bytes().clone();
    }

    fn identify(&mut self) -> Option<RequestId> {
        identify(&mut self.options)
    }

    async fn send(mut stub: Stub, request: tonic::Request<Self>) -> Result<TouchResult, Status> {
        Ok(stub.touch(request).await?.into_inner().into())
    }

    fn into_operation(self) -> operation::Op {
        operation::Op::Touch(self)
    }

    fn answer(result: operation_result::Result) -> Option<TouchResult> {
        match result {
            operation_result::Result::Touch(response) => Some(response.into()),
            _ => None,
        }
    }
}

impl Answer for GetResult {
    fn seen(&self) -> &Context {
        self.context()
    }

    fn topology_epoch(&self) -> Option<u64> {
        Some(self.report().topology_epoch)
    }
}

impl Answer for PutResult {
    fn seen(&self) -> &Context {
        &self.context
    }

    fn topology_epoch(&self) -> Option<u64> {
        Some(self.report.topology_epoch)
    }
}

impl Answer for TouchResult {
    fn seen(&self) -> &Context {
        &self.context
    }

    fn topology_epoch(&self) -> Option<u64> {
        self.report.as_ref().map(|report| report.topology_epoch)
    }
}
