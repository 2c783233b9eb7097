use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::mpsc;
use tokio::time::timeout_at;
use tonic::{Status, Streaming};

use crate::connection::{Connection, Stub};
use crate::error::{Error, Kind, Outcome};
use crate::operation::{Batched, Delete, OperationFuture, Put};
use crate::proto::{self, ItemStatus, batch_write_response, mutation};
use crate::retry::{self, Attempts};
use crate::{Client, GetResult, PutResult, ReadOptions, WriteOptions, request};

/// Reads many keys. Made by [`Client::batch_get`]; `.await` waits for all results, [`stream`](Self::stream) takes them as
/// they come.
#[derive(Clone)]
#[must_use = "a batch does nothing until it is awaited"]
pub struct BatchGet {
    client: Client,
    keys: Vec<proto::Key>,
    options: ReadOptions,
}

impl BatchGet {
    pub(crate) fn new(client: Client, keys: Vec<proto::Key>) -> Self {
        let options = client.inner.read.clone();
        Self {
            client,
            keys,
            options,
        }
    }

    /// How to read, for every key. A minimal context belongs to one key, and is refused here.
    pub fn options(mut self, options: ReadOptions) -> Self {
        self.options = options;
        self
    }

    /// The results as they come, in any order, each with the position of its key.
    #[must_use]
    pub fn stream(self) -> BatchResults<GetResult> {
        let items = Gets {
            keys: self.keys,
            options: self.options.into(),
        };
        BatchResults::new(self.client, items)
    }
}

impl IntoFuture for BatchGet {
    type Output = Result<Vec<Result<GetResult, Error>>, Error>;
    type IntoFuture = OperationFuture<Vec<Result<GetResult, Error>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.stream().in_order())
    }
}

impl fmt::Debug for BatchGet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchGet")
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

/// One write of a batch: a [`Put`] or a [`Delete`].
#[derive(Clone, Debug)]
pub struct Mutation(mutation::Op);

impl From<Put<Batched>> for Mutation {
    fn from(put: Put<Batched>) -> Self {
        Self(mutation::Op::Put(put.into_request()))
    }
}

impl From<Delete<Batched>> for Mutation {
    fn from(delete: Delete<Batched>) -> Self {
        Self(mutation::Op::Delete(delete.into_request()))
    }
}

/// Writes many keys. Made by [`Client::batch_write`]; `.await` waits for all results, [`stream`](Self::stream) takes them
/// as they come.
#[derive(Clone)]
#[must_use = "a batch does nothing until it is awaited"]
pub struct BatchWrite {
    client: Client,
    mutations: Vec<Mutation>,
    options: WriteOptions,
}

impl BatchWrite {
    pub(crate) fn new(client: Client, mutations: Vec<Mutation>) -> Self {
        let options = client.inner.write.clone();
        Self {
            client,
            mutations,
            options,
        }
    }

    /// How to write, for the items that have no options of their own. A request id stands for the whole batch, and each
    /// item gets one that is derived from it.
    pub fn options(mut self, options: WriteOptions) -> Self {
        self.options = options;
        self
    }

    /// The results as they come, in any order, each with the position of its mutation.
    #[must_use]
    pub fn stream(self) -> BatchResults<PutResult> {
        let options = proto::WriteOptions::from(self.options);
        let ids_are_derived = !options.request_id.is_empty();
        let mutations = self.mutations.into_iter().map(|Mutation(mut op)| {
            let own = match &mut op {
                mutation::Op::Put(put) => &mut put.options,
                mutation::Op::Delete(delete) => &mut delete.options,
            };
            if !ids_are_derived {
                own.get_or_insert_with(|| options.clone());
                request::identify(own);
            }
            proto::Mutation { op: Some(op) }
        });
        let items = Writes {
            mutations: mutations.collect(),
            options,
            ids_are_derived,
        };
        BatchResults::new(self.client, items)
    }
}

impl IntoFuture for BatchWrite {
    type Output = Result<Vec<Result<PutResult, Error>>, Error>;
    type IntoFuture = OperationFuture<Vec<Result<PutResult, Error>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.stream().in_order())
    }
}

impl fmt::Debug for BatchWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchWrite")
            .field("mutations", &self.mutations.len())
            .finish_non_exhaustive()
    }
}

/// The result of one item, and which.
type ItemResult<T> = (usize, Result<T, Error>);

/// The results of a batch as they come, one for each item, with its position. A [`Stream`], and dropping it cancels what
/// has no result yet.
///
/// Items fail alone: their failures are values. The batch fails as a whole if not one item was carried out, because it was
/// refused or no node could be reached; then that is all that comes.
#[must_use = "a batch does nothing until its results are taken"]
pub struct BatchResults<T> {
    total: usize,
    /// Carries the batch out for as long as somebody takes results.
    driver: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    results: mpsc::UnboundedReceiver<Result<ItemResult<T>, Error>>,
}

impl<T: Send + 'static> BatchResults<T> {
    fn new<I: Items<Answer = T>>(client: Client, items: I) -> Self {
        // Bounded by the number of items.
        let (sender, results) = mpsc::unbounded_channel();
        Self {
            total: items.len(),
            driver: Some(Box::pin(carry_out(client, items, sender))),
            results,
        }
    }

    /// The next result; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<ItemResult<T>, Error>> {
        poll_fn(|task| Pin::new(&mut *self).poll_next(task)).await
    }

    async fn in_order(mut self) -> Result<Vec<Result<T, Error>>, Error> {
        let mut results: Vec<Option<Result<T, Error>>> = Vec::new();
        results.resize_with(self.total, || None);
        while let Some(item) = self.next().await {
            let (index, result) = item?;
            results[index] = Some(result);
        }
        Ok(results.into_iter().flatten().collect())
    }
}

impl<T> Stream for BatchResults<T> {
    type Item = Result<ItemResult<T>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(task).is_ready()
        {
            self.driver = None;
        }
        self.results.poll_recv(task)
    }
}

impl<T> fmt::Debug for BatchResults<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchResults").finish_non_exhaustive()
    }
}

/// The items of a batch.
trait Items: Send + Sync + 'static {
    type Answer: Send + 'static;
    type Response: Send + 'static;
    const KIND: Kind;

    fn len(&self) -> usize;

    /// Which items go into a message that is to carry these.
    fn selection(&self, wanted: &[usize]) -> Vec<usize> {
        wanted.to_vec()
    }

    fn send(
        &self,
        stub: Stub,
        selection: &[usize],
        timeout: Duration,
    ) -> impl Future<Output = Result<Streaming<Self::Response>, Status>> + Send;

    /// The position in the message, and what became of the item; `None`: nothing was said.
    fn result(response: Self::Response) -> (u32, Option<Result<Self::Answer, ItemStatus>>);
}

struct Gets {
    keys: Vec<proto::Key>,
    options: proto::ReadOptions,
}

impl Items for Gets {
    type Answer = GetResult;
    type Response = proto::BatchGetResponse;
    const KIND: Kind = Kind::Read;

    fn len(&self) -> usize {
        self.keys.len()
    }

    async fn send(
        &self,
        mut stub: Stub,
        selection: &[usize],
        timeout: Duration,
    ) -> Result<Streaming<Self::Response>, Status> {
        let mut request = tonic::Request::new(proto::BatchGetRequest {
            keys: selection.iter().map(|&i| self.keys[i].clone()).collect(),
            options: Some(self.options.clone()),
        });
        request.set_timeout(timeout);
        Ok(stub.batch_get(request).await?.into_inner())
    }

    fn result(response: Self::Response) -> (u32, Option<Result<GetResult, ItemStatus>>) {
        let result = match (response.status, response.result) {
            (Some(status), _) => Some(Err(status)),
            (None, result) => result.map(|found| Ok(found.into())),
        };
        (response.index, result)
    }
}

struct Writes {
    mutations: Vec<proto::Mutation>,
    options: proto::WriteOptions,
    /// The server makes the request id of each item out of that of the batch and the position of the item.
    ids_are_derived: bool,
}

impl Items for Writes {
    type Answer = PutResult;
    type Response = proto::BatchWriteResponse;
    const KIND: Kind = Kind::Write;

    fn len(&self) -> usize {
        self.mutations.len()
    }

    fn selection(&self, wanted: &[usize]) -> Vec<usize> {
        if self.ids_are_derived {
            // Another position would be another write. What is repeated counts once.
            (0..self.len()).collect()
        } else {
            wanted.to_vec()
        }
    }

    async fn send(
        &self,
        mut stub: Stub,
        selection: &[usize],
        timeout: Duration,
    ) -> Result<Streaming<Self::Response>, Status> {
        let mutations = selection.iter().map(|&i| self.mutations[i].clone());
        let mut request = tonic::Request::new(proto::BatchWriteRequest {
            mutations: mutations.collect(),
            options: Some(self.options.clone()),
        });
        request.set_timeout(timeout);
        Ok(stub.batch_write(request).await?.into_inner())
    }

    fn result(response: Self::Response) -> (u32, Option<Result<PutResult, ItemStatus>>) {
        use batch_write_response::Result as Written;

        let result = match (response.status, response.result) {
            (Some(status), _) => Some(Err(status)),
            (None, Some(Written::Put(put))) => Some(Ok(put.into())),
            (None, Some(Written::Delete(delete))) => Some(Ok(delete.into())),
            (None, None) => None,
        };
        (response.index, result)
    }
}

/// An item without a final result.
struct Open {
    index: usize,
    /// An attempt at it may have been applied.
    unknown: bool,
    /// How the last attempt at it failed; `None` while one is under way.
    failed: Option<Error>,
}

/// Sends the items, and again those that failed and may be sent again, until each has a result.
async fn carry_out<I: Items>(
    client: Client,
    items: I,
    results: mpsc::UnboundedSender<Result<ItemResult<I::Answer>, Error>>,
) {
    let inner = &client.inner;
    let mut attempts = Attempts::new(I::KIND, inner.budget());
    let mut open: Vec<Open> = (0..items.len())
        .map(|index| Open {
            index,
            unknown: false,
            failed: None,
        })
        .collect();
    loop {
        open.iter_mut().for_each(|item| item.failed = None);
        let ended = match attempts.connection(&inner.endpoints, None).await {
            Ok(connection) => {
                let round = round(&items, &connection, &attempts, &mut open, &results);
                match timeout_at(attempts.deadline(), round).await {
                    Ok(ended) => ended,
                    Err(_) => Err(Error::timed_out(I::KIND, connection.address())),
                }
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &ended {
            for item in open.iter_mut().filter(|item| item.failed.is_none()) {
                item.failed = Some(error.clone());
            }
        }
        open.retain_mut(|item| {
            let Some(error) = &item.failed else {
                return false;
            };
            item.unknown |= error.outcome() == Some(Outcome::Unknown);
            true
        });
        // The longest wait that any of them asks for. (A batch of nothing can fail too.)
        let slowest = open
            .iter()
            .filter_map(|item| item.failed.as_ref())
            .chain(ended.as_ref().err())
            .max_by_key(|error| (error.is_transient(), error.retry_after()));
        let Some(slowest) = slowest.cloned() else {
            return;
        };
        if attempts.pause(&slowest).await {
            continue;
        }
        if let Err(error) = ended
            && open.len() == items.len()
        {
            let unknown = open.iter().any(|item| item.unknown);
            let _ = results.send(Err(error.after(attempts.made(), unknown)));
            return;
        }
        for item in open {
            if let Some(error) = item.failed {
                let error = error.after(attempts.made(), item.unknown);
                let _ = results.send(Ok((item.index, Err(error))));
            }
        }
        return;
    }
}

/// One attempt at the items that are open. Hands out the final results; the others stay open, with their failure.
async fn round<I: Items>(
    items: &I,
    connection: &Connection,
    attempts: &Attempts,
    open: &mut Vec<Open>,
    results: &mpsc::UnboundedSender<Result<ItemResult<I::Answer>, Error>>,
) -> Result<(), Error> {
    let failure = |status| retry::failure(I::KIND, connection, status);
    let wanted: Vec<usize> = open.iter().map(|item| item.index).collect();
    let selection = items.selection(&wanted);
    let mut responses = items
        .send(connection.stub(), &selection, attempts.remaining())
        .await
        .map_err(failure)?;
    while let Some(response) = responses.message().await.map_err(failure)? {
        let (position, result) = I::result(response);
        let index = selection.get(position as usize);
        let place = open.iter().position(|item| Some(&item.index) == index);
        let (Some(place), Some(result)) = (place, result) else {
            // An item that has its result already, or an answer that says nothing.
            continue;
        };
        let item = &mut open[place];
        let result = match result {
            Ok(answer) => Ok(answer),
            Err(status) => {
                let error = Error::from_item(I::KIND, connection.address(), status);
                if error.is_transient() && attempts.are_left() {
                    item.failed = Some(error);
                    continue;
                }
                Err(error.after(attempts.made(), item.unknown))
            }
        };
        let index = item.index;
        open.swap_remove(place);
        let _ = results.send(Ok((index, result)));
    }
    if open.iter().any(|item| item.failed.is_none()) {
        let cause = "the stream ended before all results were there";
        return Err(Error::disconnected(I::KIND, connection.address(), cause));
    }
    Ok(())
}
