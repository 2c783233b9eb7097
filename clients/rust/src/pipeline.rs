use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prost::Message as _;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinSet, yield_now};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::connection::Connection;
use crate::error::{Error, Kind};
use crate::operation::{Delete, Expiry, Get, Put, Touch, wire_duration};
use crate::proto::{ErrorReason, Operation, OperationResult, PipelineRequest, operation};
use crate::request::{self, Call, Request};
use crate::retry;
use crate::{Client, Value};

/// A group of operations is sent when it has this many operations or bytes, or when the group before it is on its way.
const GROUP_OPERATIONS_MAX: usize = 1_000;
const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// What the server takes in one message. A larger one would end the stream, and all other operations with it.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Many operations in flight over one stream to each endpoint: several times the throughput of operations that are sent
/// one by one. What is waiting when a group has been sent goes together in the next.
///
/// Operations are answered in any order, and those on one key are not ordered either: await the first before the second.
/// Each is retried as it would be alone. At most a number of them are in flight; more wait, and a producer that awaits
/// its operations, a bounded number at a time, is thereby slowed down to what the cluster takes.
///
/// Cheap to clone; all clones share the streams and the limit.
///
/// ```no_run
/// use std::future::IntoFuture;
/// use tokio::task::{JoinSet, yield_now};
///
/// # async fn example(client: kindred_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let pipeline = client.pipeline();
/// let mut puts = JoinSet::new();
/// for n in 0..10_000 {
///     puts.spawn(pipeline.put("default", format!("key-{n}"), "value").into_future());
/// }
/// while let Some(put) = puts.join_next().await {
///     put??;
/// }
/// pipeline.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Pipeline {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    in_flight: usize,
    permits: Semaphore,
    /// The open stream of each endpoint.
    lanes: Mutex<HashMap<String, Lane>>,
    /// What carries the streams; it ends with the pipeline.
    carriers: Mutex<JoinSet<()>>,
}

/// Where to queue operations for one stream.
type Lane = mpsc::UnboundedSender<Entry>;

/// An operation that waits to be sent. The number of them is bounded by the permits.
struct Entry {
    operation: operation::Op,
    timeout: Duration,
    answer: Waiter,
}

type Waiter = oneshot::Sender<Result<OperationResult, Status>>;

impl Pipeline {
    pub(crate) fn new(client: Client, in_flight: usize) -> Self {
        // What `close` can take at once.
        let in_flight = in_flight.clamp(1, u32::MAX as usize);
        Self {
            inner: Arc::new(Inner {
                client,
                in_flight,
                permits: Semaphore::new(in_flight),
                lanes: Mutex::default(),
                carriers: Mutex::default(),
            }),
        }
    }

    /// Reads a key.
    pub fn get(&self, bucket: impl Into<String>, key: impl AsRef<[u8]>) -> Get<Self> {
        let options = self.inner.client.inner.read.clone();
        Get::new(self.clone(), request::key(bucket, key), options)
    }

    /// Stores a value.
    pub fn put(
        &self,
        bucket: impl Into<String>,
        key: impl AsRef<[u8]>,
        value: impl Into<Value>,
    ) -> Put<Self> {
        let options = self.inner.client.inner.write.clone();
        Put::new(
            self.clone(),
            request::key(bucket, key),
            value.into(),
            options,
        )
    }

    /// Deletes a key.
    pub fn delete(&self, bucket: impl Into<String>, key: impl AsRef<[u8]>) -> Delete<Self> {
        let options = self.inner.client.inner.write.clone();
        Delete::new(self.clone(), request::key(bucket, key), options)
    }

    /// Changes when a key expires.
    pub fn touch(
        &self,
        bucket: impl Into<String>,
        key: impl AsRef<[u8]>,
        expiry: Expiry,
    ) -> Touch<Self> {
        let options = self.inner.client.inner.write.clone();
        Touch::new(self.clone(), request::key(bucket, key), expiry, options)
    }

    /// Waits until every operation that is in flight has ended, and takes no more: those fail as not applied.
    pub async fn close(&self) {
        let inner = &*self.inner;
        let all = u32::try_from(inner.in_flight).unwrap_or(u32::MAX);
        // Closed already, by another: that one waits for the operations, and so does this.
        if let Ok(permits) = inner.permits.acquire_many(all).await {
            inner.permits.close();
            permits.forget();
        }
        inner.lanes().clear();
    }
}

impl Call for Pipeline {
    async fn call<R: Request>(self, mut request: R) -> Result<R::Answer, Error> {
        let inner = &*self.inner;
        let Ok(_permit) = inner.permits.acquire().await else {
            let message = "the pipeline is closed";
            return Err(Error::local(R::KIND, Code::FailedPrecondition, message));
        };
        let id = request.identify();
        let key = request.key().clone();
        let operation = request.into_operation();
        if operation.encoded_len() > MESSAGE_BYTES_MAX {
            let message = "the operation is larger than a message may be (4 MiB)";
            return Err(Error::invalid(R::KIND, ErrorReason::TooLarge, message).of(id));
        }
        let client = &inner.client;
        let budget = client.inner.budget();
        let home = client.home_of(&key, budget).await;
        let answer = retry::run(
            R::KIND,
            budget,
            &client.inner.endpoints,
            home,
            |connection, remaining| {
                let answer = inner.queue(&connection, operation.clone(), remaining);
                async move {
                    let result = match answer.await {
                        Ok(Ok(result)) => result,
                        Ok(Err(status)) => {
                            return Err(retry::failure(R::KIND, &connection, status));
                        }
                        Err(_) => return Err(disconnected(R::KIND, &connection)),
                    };
                    if let Some(status) = result.status {
                        return Err(Error::from_item(R::KIND, connection.address(), status));
                    }
                    result
                        .result
                        .and_then(R::answer)
                        .ok_or_else(|| disconnected(R::KIND, &connection))
                }
            },
        )
        .await
        .map_err(|error| error.of(id))?;
        client.learn_from(&key, &answer);
        Ok(answer)
    }
}

fn disconnected(kind: Kind, connection: &Connection) -> Error {
    Error::disconnected(kind, connection.address(), "the stream ended")
}

impl Inner {
    /// Queues an operation for the stream over this connection, which is opened if there is none.
    fn queue(
        &self,
        connection: &Connection,
        operation: operation::Op,
        timeout: Duration,
    ) -> oneshot::Receiver<Result<OperationResult, Status>> {
        let (answer, answered) = oneshot::channel();
        let entry = Entry {
            operation,
            timeout,
            answer,
        };
        let mut lanes = self.lanes();
        let refused = match lanes.get(connection.address()) {
            Some(lane) => lane.send(entry).err().map(|error| error.0),
            None => Some(entry),
        };
        if let Some(entry) = refused {
            let (lane, entries) = mpsc::unbounded_channel();
            // Its receiver is still here.
            let _ = lane.send(entry);
            lanes.insert(connection.address().to_owned(), lane);
            let mut carriers = self.carriers.lock().unwrap_or_else(PoisonError::into_inner);
            while carriers.try_join_next().is_some() {}
            carriers.spawn(carry(connection.clone(), entries));
        }
        answered
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, HashMap<String, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("in_flight", &self.inner.in_flight)
            .finish_non_exhaustive()
    }
}

/// Carries one stream: sends what is queued, in groups, and hands out the answers, until the stream ends or nobody can
/// queue any more. What has no answer then is told why.
async fn carry(connection: Connection, mut entries: mpsc::UnboundedReceiver<Entry>) {
    let waiting = Waiting::default();
    // One group may wait while another is being written; that is when the next one grows.
    let (groups, requests) = mpsc::channel(1);
    let status = {
        let mut answers = pin!(read(&connection, requests, &waiting));
        let operations = pin!(write(&mut entries, groups, &waiting));
        tokio::select! {
            status = &mut answers => status,
            () = operations => answers.await,
        }
    };
    // From here on operations are queued for another stream.
    entries.close();
    while let Ok(entry) = entries.try_recv() {
        // Whoever waits may have gone.
        let _ = entry.answer.send(Err(status.clone()));
    }
    for (_, waiter) in waiting.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let _ = waiter.send(Err(status.clone()));
    }
}

/// Who waits for the answer to which operation on the stream.
type Waiting = Mutex<HashMap<u64, Waiter>>;

async fn write(
    entries: &mut mpsc::UnboundedReceiver<Entry>,
    groups: mpsc::Sender<PipelineRequest>,
    waiting: &Waiting,
) {
    let mut queued = Vec::with_capacity(GROUP_OPERATIONS_MAX);
    let mut next_id = 0;
    while entries.recv_many(&mut queued, GROUP_OPERATIONS_MAX).await > 0 {
        // One message of answers wakes many callers, whose next operations are about to come: sent together they cost
        // the node much less than one by one.
        yield_now().await;
        while queued.len() < GROUP_OPERATIONS_MAX
            && let Ok(entry) = entries.try_recv()
        {
            queued.push(entry);
        }
        let mut group = Vec::with_capacity(queued.len());
        let mut bytes = 0;
        for entry in queued.drain(..) {
            if entry.answer.is_closed() {
                // Cancelled while it was queued.
                continue;
            }
            let operation = Operation {
                id: next_id,
                op: Some(entry.operation),
                timeout: Some(wire_duration(entry.timeout)),
            };
            let length = operation.encoded_len();
            if bytes + length > GROUP_BYTES_MAX && !group.is_empty() {
                let operations = std::mem::take(&mut group);
                bytes = 0;
                if groups.send(PipelineRequest { operations }).await.is_err() {
                    return;
                }
            }
            lock(waiting).insert(next_id, entry.answer);
            next_id += 1;
            bytes += length;
            group.push(operation);
        }
        if !group.is_empty() {
            let operations = group;
            if groups.send(PipelineRequest { operations }).await.is_err() {
                return;
            }
        }
    }
}

/// Hands out the answers; tells why there are no more.
async fn read(
    connection: &Connection,
    requests: mpsc::Receiver<PipelineRequest>,
    waiting: &Waiting,
) -> Status {
    let opened = connection
        .stub()
        .pipeline(ReceiverStream::new(requests))
        .await;
    let mut responses = match opened {
        Ok(response) => response.into_inner(),
        Err(status) => return status,
    };
    loop {
        match responses.message().await {
            Ok(Some(response)) => {
                let mut waiting = lock(waiting);
                for result in response.results {
                    if let Some(waiter) = waiting.remove(&result.id) {
                        // Whoever waited may have gone.
                        let _ = waiter.send(Ok(result));
                    }
                }
            }
            Ok(None) => return Status::unavailable("the server ended the stream"),
            Err(status) => return status,
        }
    }
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<u64, Waiter>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
