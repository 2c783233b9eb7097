//! The calls of a batch, get or write: sends the items, and again those that failed for now, until each has a result.

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout_at;
use tonic::{Status, Streaming};

use crate::connection::{Connection, Stub};
use crate::error::{Error, Kind, Outcome};
use crate::proto::{self, batch_write_response, mutation};
use crate::retry::{self, Attempts};
use crate::{Client, GetResult, PutResult, RequestId};

/// The result of one item, and which.
pub(crate) type ItemResult<T> = (usize, Result<T, Error>);

/// The items of a batch.
pub(crate) trait Items: Send + Sync + 'static {
    type Answer: Send + 'static;
    type Response: Send + 'static;
    const KIND: Kind;

    fn len(&self) -> usize;

    /// The identity of an item that is a write, or of the whole batch.
    fn request_id(&self, index: Option<usize>) -> Option<RequestId>;

    fn send(
        &self,
        stub: Stub,
        selection: &[usize],
        timeout: Duration,
    ) -> impl Future<Output = Result<Streaming<Self::Response>, Status>> + Send;

    /// The position in the message, and what became of the item; `None`: nothing was said.
    fn result(
        response: Self::Response,
        endpoint: &str,
    ) -> (u32, Option<Result<Self::Answer, Error>>);
}

pub(crate) struct Gets {
    pub(crate) keys: Vec<proto::Key>,
    pub(crate) options: proto::ReadOptions,
}

impl Items for Gets {
    type Answer = GetResult;
    type Response = proto::BatchGetResponse;
    const KIND: Kind = Kind::Read;

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn request_id(&self, _: Option<usize>) -> Option<RequestId> {
        None
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

    fn result(response: Self::Response, endpoint: &str) -> (u32, Option<Result<GetResult, Error>>) {
        let result = match (response.status, response.result) {
            (Some(status), _) => Some(Err(Error::from_item(Self::KIND, endpoint, status))),
            (None, result) => result.map(|found| Ok(found.into())),
        };
        (response.index, result)
    }
}

pub(crate) struct Writes {
    /// Each with its options and a request id of its own, so that any of them may be sent again without the others.
    pub(crate) mutations: Vec<proto::Mutation>,
    pub(crate) batch_id: RequestId,
}

impl Items for Writes {
    type Answer = PutResult;
    type Response = proto::BatchWriteResponse;
    const KIND: Kind = Kind::Write;

    fn len(&self) -> usize {
        self.mutations.len()
    }

    fn request_id(&self, index: Option<usize>) -> Option<RequestId> {
        let Some(index) = index else {
            return Some(self.batch_id);
        };
        let options = match self.mutations[index].op.as_ref()? {
            mutation::Op::Put(put) => &put.options,
            mutation::Op::Delete(delete) => &delete.options,
        };
        RequestId::try_from(options.as_ref()?.request_id.as_ref()).ok()
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
            options: None,
        });
        request.set_timeout(timeout);
        Ok(stub.batch_write(request).await?.into_inner())
    }

    fn result(response: Self::Response, endpoint: &str) -> (u32, Option<Result<PutResult, Error>>) {
        use batch_write_response::Result as Written;

        let result = match (response.status, response.result) {
            (Some(status), _) => Some(Err(Error::from_item(Self::KIND, endpoint, status))),
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
pub(crate) async fn carry_out<I: Items>(
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
        for item in &mut open {
            item.failed = None;
        }
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
            let error = error.after(attempts.made(), unknown);
            let _ = results.send(Err(error.of(items.request_id(None))));
            return;
        }
        for item in open {
            if let Some(error) = item.failed {
                let error = error.after(attempts.made(), item.unknown);
                let error = error.of(items.request_id(Some(item.index)));
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
    let selection: Vec<usize> = open.iter().map(|item| item.index).collect();
    let mut responses = items
        .send(connection.stub(), &selection, attempts.remaining())
        .await
        .map_err(failure)?;
    while let Some(response) = responses.message().await.map_err(failure)? {
        let (position, result) = I::result(response, connection.address());
        let index = selection.get(position as usize);
        let place = open.iter().position(|item| Some(&item.index) == index);
        let (Some(place), Some(result)) = (place, result) else {
            // An item that has its result already, or an answer that says nothing.
            continue;
        };
        let item = &mut open[place];
        let result = match result {
            Ok(answer) => Ok(answer),
            Err(error) if error.is_transient() && attempts.are_left() => {
                item.failed = Some(error);
                continue;
            }
            Err(error) => {
                let error = error.after(attempts.made(), item.unknown);
                Err(error.of(items.request_id(Some(item.index))))
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
