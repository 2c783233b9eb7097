use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;

use crate::batch_call::{Gets, ItemResult, Items, Writes, carry_out};
use crate::error::Error;
use crate::operation::{Batched, Delete, OperationFuture, Put};
use crate::proto::{self, mutation};
use crate::{Client, GetResult, PutResult, ReadOptions, RequestId, WriteOptions};

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
    pub fn stream(self) -> BatchResults<PutResult> {
        let batch_id = self.options.id().unwrap_or_else(RequestId::random);
        let options = proto::WriteOptions::from(self.options.without_request_id());
        let mutations = (0..).zip(self.mutations).map(|(index, Mutation(mut op))| {
            let own = match &mut op {
                mutation::Op::Put(put) => &mut put.options,
                mutation::Op::Delete(delete) => &mut delete.options,
            };
            let own = own.get_or_insert_with(|| options.clone());
            if own.request_id.is_empty() {
                own.request_id = batch_id.of_item(index).into();
            }
            proto::Mutation { op: Some(op) }
        });
        let items = Writes {
            mutations: mutations.collect(),
            batch_id,
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
