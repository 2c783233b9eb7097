//! A node that answers as a test tells it to: a function from operations to replies, whichever way they come.

use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::proto::key_value_service_server::{KeyValueService, KeyValueServiceServer};
use crate::proto::operation::Op;
use crate::proto::operation_result::Result as Answer;
use crate::proto::topology_service_server::{TopologyService, TopologyServiceServer};
use crate::proto::{self, ErrorDetail, ErrorReason, ItemStatus, WriteOutcome, rpc};

/// What becomes of one operation.
pub(super) enum Reply {
    Answer(Answer),
    Fail(Status),
    /// No answer, ever.
    Hang,
    /// The stream that the operation came over ends without an answer to it.
    EndStream,
}

type Script = dyn Fn(&Op) -> Reply + Send + Sync;

/// A node on a port of its own; it ends with the test.
pub(super) struct Node {
    pub(super) address: String,
    received: Arc<Mutex<Vec<Op>>>,
    server: AbortHandle,
}

impl Node {
    pub(super) async fn start(script: impl Fn(&Op) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", script).await
    }

    pub(super) async fn start_at(
        address: &str,
        script: impl Fn(&Op) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let received = Arc::<Mutex<Vec<Op>>>::default();
        let service = Service {
            script: Arc::new(script),
            received: Arc::clone(&received),
        };
        let server = tonic::transport::Server::builder()
            .add_service(KeyValueServiceServer::new(service))
            .add_service(TopologyServiceServer::new(SilentTopology))
            .serve_with_incoming(TcpListenerStream::new(listener));
        Self {
            address,
            received,
            server: tokio::spawn(server).abort_handle(),
        }
    }

    /// All operations that it was sent, in order.
    pub(super) fn received(&self) -> Vec<Op> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A failure with a detail, as the server makes it.
pub(super) fn failure(code: Code, reason: ErrorReason, outcome: WriteOutcome) -> Status {
    failure_with(code, &detail(reason, outcome))
}

pub(super) fn detail(reason: ErrorReason, outcome: WriteOutcome) -> ErrorDetail {
    ErrorDetail {
        reason: reason.into(),
        write_outcome: outcome.into(),
        safe_to_retry: true,
        ..ErrorDetail::default()
    }
}

pub(super) fn failure_with(code: Code, detail: &ErrorDetail) -> Status {
    let status = rpc::Status {
        code: code.into(),
        message: "told to fail".to_owned(),
        details: vec![prost_types::Any {
            type_url: "type.googleapis.com/kindred.v1.ErrorDetail".to_owned(),
            value: detail.encode_to_vec(),
        }],
    };
    Status::with_details(code, "told to fail", status.encode_to_vec().into())
}

/// The position of an item in its message, and what became of it.
type ItemReply = (usize, Result<Answer, ItemStatus>);

struct Service {
    script: Arc<Script>,
    received: Arc<Mutex<Vec<Op>>>,
}

impl Service {
    fn reply(&self, operation: Op) -> Reply {
        let reply = (self.script)(&operation);
        self.received.lock().unwrap().push(operation);
        reply
    }

    async fn unary(&self, operation: Op) -> Result<Answer, Status> {
        match self.reply(operation) {
            Reply::Answer(answer) => Ok(answer),
            Reply::Fail(status) => Err(status),
            Reply::Hang => pending().await,
            Reply::EndStream => unreachable!("there is no stream"),
        }
    }

    /// The replies to the items of one message, up to where the stream is to end; whether it is.
    fn items(&self, operations: Vec<Op>) -> (Vec<ItemReply>, bool) {
        let mut replies = Vec::new();
        for (index, operation) in operations.into_iter().enumerate() {
            match self.reply(operation) {
                Reply::Answer(answer) => replies.push((index, Ok(answer))),
                Reply::Fail(status) => replies.push((index, Err(item_status(&status)))),
                Reply::Hang => {}
                Reply::EndStream => return (replies, true),
            }
        }
        (replies, false)
    }
}

fn item_status(status: &Status) -> ItemStatus {
    let details = rpc::Status::decode(status.details()).unwrap().details;
    ItemStatus {
        code: status.code().into(),
        message: status.message().to_owned(),
        detail: details
            .first()
            .map(|any| ErrorDetail::decode(any.value.as_slice()).unwrap()),
    }
}

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

macro_rules! unary {
    ($kind:ident, $request:expr, $service:expr) => {
        match $service.unary(Op::$kind($request.into_inner())).await? {
            Answer::$kind(answer) => Ok(Response::new(answer)),
            other => panic!("{other:?} answers another operation"),
        }
    };
}

#[tonic::async_trait]
impl KeyValueService for Service {
    async fn get(
        &self,
        request: Request<proto::GetRequest>,
    ) -> Result<Response<proto::GetResponse>, Status> {
        unary!(Get, request, self)
    }

    async fn put(
        &self,
        request: Request<proto::PutRequest>,
    ) -> Result<Response<proto::PutResponse>, Status> {
        unary!(Put, request, self)
    }

    async fn delete(
        &self,
        request: Request<proto::DeleteRequest>,
    ) -> Result<Response<proto::DeleteResponse>, Status> {
        unary!(Delete, request, self)
    }

    async fn touch(
        &self,
        request: Request<proto::TouchRequest>,
    ) -> Result<Response<proto::TouchResponse>, Status> {
        unary!(Touch, request, self)
    }

    type BatchGetStream = Responses<proto::BatchGetResponse>;

    async fn batch_get(
        &self,
        request: Request<proto::BatchGetRequest>,
    ) -> Result<Response<Self::BatchGetStream>, Status> {
        let request = request.into_inner();
        let operations = request.keys.into_iter().map(|key| {
            Op::Get(proto::GetRequest {
                key: Some(key),
                options: request.options.clone(),
            })
        });
        let (replies, _) = self.items(operations.collect());
        let responses = replies.into_iter().map(|(index, reply)| {
            let (status, result) = match reply {
                Ok(Answer::Get(answer)) => (None, Some(answer)),
                Ok(other) => panic!("{other:?} answers another operation"),
                Err(status) => (Some(status), None),
            };
            Ok(proto::BatchGetResponse {
                index: u32::try_from(index).unwrap(),
                status,
                result,
            })
        });
        let responses: Vec<_> = responses.collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(responses))))
    }

    type BatchWriteStream = Responses<proto::BatchWriteResponse>;

    async fn batch_write(
        &self,
        request: Request<proto::BatchWriteRequest>,
    ) -> Result<Response<Self::BatchWriteStream>, Status> {
        use proto::batch_write_response::Result as Written;
        use proto::mutation::Op as Mutation;

        let mutations = request.into_inner().mutations.into_iter();
        let operations = mutations.map(|mutation| match mutation.op.unwrap() {
            Mutation::Put(put) => Op::Put(put),
            Mutation::Delete(delete) => Op::Delete(delete),
        });
        let (replies, _) = self.items(operations.collect());
        let responses = replies.into_iter().map(|(index, reply)| {
            let (status, result) = match reply {
                Ok(Answer::Put(answer)) => (None, Some(Written::Put(answer))),
                Ok(Answer::Delete(answer)) => (None, Some(Written::Delete(answer))),
                Ok(other) => panic!("{other:?} answers another operation"),
                Err(status) => (Some(status), None),
            };
            Ok(proto::BatchWriteResponse {
                index: u32::try_from(index).unwrap(),
                status,
                result,
            })
        });
        let responses: Vec<_> = responses.collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(responses))))
    }

    type PipelineStream = Responses<proto::PipelineResponse>;

    async fn pipeline(
        &self,
        request: Request<Streaming<proto::PipelineRequest>>,
    ) -> Result<Response<Self::PipelineStream>, Status> {
        let service = Self {
            script: Arc::clone(&self.script),
            received: Arc::clone(&self.received),
        };
        let mut requests = request.into_inner();
        let (responses, answered) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Ok(Some(message)) = requests.message().await {
                let (ids, operations) = message
                    .operations
                    .into_iter()
                    .map(|operation| (operation.id, operation.op.unwrap()))
                    .unzip::<u64, Op, Vec<_>, Vec<_>>();
                let (replies, end) = service.items(operations);
                let results = replies.into_iter().map(|(index, reply)| {
                    let (status, result) = match reply {
                        Ok(answer) => (None, Some(answer)),
                        Err(status) => (Some(status), None),
                    };
                    proto::OperationResult {
                        id: ids[index],
                        status,
                        result,
                    }
                });
                let results = results.collect();
                let response = proto::PipelineResponse { results };
                if responses.send(Ok(response)).await.is_err() || end {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answered))))
    }

    async fn get_write_outcome(
        &self,
        _: Request<proto::GetWriteOutcomeRequest>,
    ) -> Result<Response<proto::GetWriteOutcomeResponse>, Status> {
        Err(Status::unimplemented("no test asks for it"))
    }
}

/// Never tells where keys live.
struct SilentTopology;

#[tonic::async_trait]
impl TopologyService for SilentTopology {
    async fn get_topology(
        &self,
        _: Request<proto::GetTopologyRequest>,
    ) -> Result<Response<proto::GetTopologyResponse>, Status> {
        pending().await
    }

    type WatchTopologyStream = Responses<proto::WatchTopologyResponse>;

    async fn watch_topology(
        &self,
        _: Request<proto::WatchTopologyRequest>,
    ) -> Result<Response<Self::WatchTopologyStream>, Status> {
        pending().await
    }

    async fn locate(
        &self,
        _: Request<proto::LocateRequest>,
    ) -> Result<Response<proto::LocateResponse>, Status> {
        pending().await
    }

    async fn get_placement(
        &self,
        _: Request<proto::GetPlacementRequest>,
    ) -> Result<Response<proto::GetPlacementResponse>, Status> {
        pending().await
    }
}
