use std::fmt;
use std::future::{Future, IntoFuture};
use std::sync::Arc;

use crate::error::{Error, Outcome, UnresolvedConflict};
use crate::operation::OperationFuture;
use crate::proto::{self, ErrorReason, put_request};
use crate::resolver::Resolver;
use crate::retry::Budget;
use crate::{
    Client, ConsistencyLevel, Context, GetResult, PutResult, ReadOptions, Session, Value, Version,
    WriteOptions,
};

/// What an update makes of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Store this.
    Put(Value),
    /// Delete the key.
    Delete,
    /// Leave it as it is: write nothing.
    Keep,
}

impl<V: Into<Value>> From<V> for Change {
    fn from(value: V) -> Self {
        Self::Put(value.into())
    }
}

/// What an update has left.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Updated {
    /// What is stored now; `None`: nothing.
    pub value: Option<Value>,
    /// Covers it.
    pub context: Context,
    /// How many versions were left. More than 1: the update raced, and had no resolver. 0: not known.
    pub versions_held: u32,
}

/// Reads, resolves, changes and stores. Made by [`Client::update`]; `.await` carries it out.
#[must_use = "an operation does nothing until it is awaited"]
pub struct Update<T, F> {
    target: T,
    key: proto::Key,
    change: F,
    resolver: Option<Arc<dyn Resolver>>,
    read: Option<ReadOptions>,
    write: Option<WriteOptions>,
}

impl<T, F> Update<T, F> {
    pub(crate) fn new(target: T, key: proto::Key, change: F) -> Self {
        Self {
            target,
            key,
            change,
            resolver: None,
            read: None,
            write: None,
        }
    }

    /// What makes versions that raced into one. Default: that of the bucket,
    /// [`ClientBuilder::resolver`](crate::ClientBuilder::resolver). Without one an update of versions that raced fails
    /// with an [`UnresolvedConflict`](crate::UnresolvedConflict).
    pub fn resolver(mut self, resolver: impl Resolver) -> Self {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    /// How to read. Default: at `QUORUM`, whatever the default of the client. Only whole values and all versions can be
    /// updated: `omit_data` and `PICK_LATEST` are refused.
    pub fn read_options(mut self, options: ReadOptions) -> Self {
        self.read = Some(options);
        self
    }

    /// How to write. A request id is that of the first write; what has to be written after it gets ids of its own.
    pub fn write_options(mut self, options: WriteOptions) -> Self {
        self.write = Some(options);
        self
    }
}

impl<T, F> fmt::Debug for Update<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl<F, C> IntoFuture for Update<Client, F>
where
    F: FnMut(Option<&Value>) -> C + Send + 'static,
    C: Into<Change>,
{
    type Output = Result<Updated, Error>;
    type IntoFuture = OperationFuture<Updated>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let client = self.target.clone();
            self.run(&client, None).await
        })
    }
}

impl<F, C> IntoFuture for Update<Session, F>
where
    F: FnMut(Option<&Value>) -> C + Send + 'static,
    C: Into<Change>,
{
    type Output = Result<Updated, Error>;
    type IntoFuture = OperationFuture<Updated>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let seen = self.target.seen(&self.key);
            let mut seen = seen.lock().await;
            let client = self.target.client().clone();
            let updated = self.run(&client, seen.clone()).await;
            match &updated {
                Ok(updated) => *seen = Some(updated.context.clone()),
                Err(error) => {
                    // The session has written, though what raced the write is not resolved.
                    if let Some(conflict) = error.conflict().filter(|conflict| conflict.applied) {
                        *seen = Some(conflict.context.clone());
                    }
                }
            }
            updated
        })
    }
}

impl<T, F, C> Update<T, F>
where
    F: FnMut(Option<&Value>) -> C + Send,
    C: Into<Change>,
{
    async fn run(mut self, client: &Client, seen: Option<Context>) -> Result<Updated, Error> {
        let keeper = Keeper {
            resolver: self
                .resolver
                .take()
                .or_else(|| client.inner.resolver_of(&self.key.bucket)),
            read: self
                .read
                .take()
                .unwrap_or_default()
                .or_consistency(ConsistencyLevel::Quorum),
            write: self
                .write
                .take()
                .unwrap_or_else(|| client.inner.write.clone()),
            budget: client.inner.budget(),
            key: self.key,
            client,
        };
        keeper.read.check_complete()?;
        let mut lost_races = 0;
        loop {
            let current = keeper.read(seen.as_ref()).await?;
            let current = keeper.resolve(current, false)?;
            let value = match (self.change)(current.value.as_ref()).into() {
                Change::Keep => return Ok(current),
                Change::Put(value) => Some(value),
                Change::Delete => None,
            };
            let options = keeper.write.clone();
            match keeper
                .write(value.clone(), &current.context, None, options)
                .await
            {
                Ok(written) => return keeper.settle(value, written).await,
                Err(error) if is_lost_race(&error) => {
                    lost_races += 1;
                    if lost_races >= client.inner.update_attempts {
                        return Err(error.after_lost_races(current.context));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether the write was certainly not applied because another came first, so that it makes sense to begin anew.
fn is_lost_race(error: &Error) -> bool {
    error.outcome() == Some(Outcome::NotApplied)
        && matches!(
            error.reason(),
            ErrorReason::TooManySiblings
                | ErrorReason::Conflict
                | ErrorReason::KeyExists
                | ErrorReason::ContextNotReached
        )
}

/// The steps of an update, for one key.
struct Keeper<'a> {
    client: &'a Client,
    key: proto::Key,
    resolver: Option<Arc<dyn Resolver>>,
    read: ReadOptions,
    write: WriteOptions,
    /// Of the whole update.
    budget: Budget,
}

impl Keeper<'_> {
    fn read(
        &self,
        seen: Option<&Context>,
    ) -> impl Future<Output = Result<GetResult, Error>> + Send {
        let mut options = self.read.clone();
        if let Some(context) = seen {
            options = options.min_context(context.clone());
        }
        let request = proto::GetRequest {
            key: Some(self.key.clone()),
            options: Some(options.into()),
        };
        self.client.call_within(request, self.budget)
    }

    async fn write(
        &self,
        value: Option<Value>,
        context: &Context,
        expiry: Option<put_request::Expiry>,
        options: WriteOptions,
    ) -> Result<PutResult, Error> {
        let key = Some(self.key.clone());
        let context = context.as_bytes().clone();
        let options = Some(options.into());
        if let Some(value) = value {
            let request = proto::PutRequest {
                key,
                value: Some(value.into()),
                causality: Some(put_request::Causality::Context(context)),
                expiry,
                options,
            };
            self.client.call_within(request, self.budget).await
        } else {
            let request = proto::DeleteRequest {
                key,
                causality: Some(proto::delete_request::Causality::Context(context)),
                options,
            };
            self.client.call_within(request, self.budget).await
        }
    }

    /// One value, or none, out of what was read.
    fn resolve(&self, found: GetResult, applied: bool) -> Result<Updated, Error> {
        match found {
            GetResult::Found(found) => Ok(Updated {
                value: Some(found.value),
                context: found.context,
                versions_held: 1,
            }),
            GetResult::Absent(absent) => Ok(Updated {
                value: None,
                context: absent.context,
                versions_held: 0,
            }),
            GetResult::Conflict(conflict) => match &self.resolver {
                Some(resolver) => Ok(Updated {
                    value: resolver.resolve(&conflict.versions),
                    context: conflict.context,
                    versions_held: held(&conflict.versions),
                }),
                None => Err(Error::unresolved(
                    "the key holds several versions, and there is no resolver",
                    UnresolvedConflict {
                        versions: conflict.versions,
                        context: conflict.context,
                        applied,
                    },
                )),
            },
        }
    }

    /// Resolves what raced the write of the update, until one version is left.
    async fn settle(&self, value: Option<Value>, written: PutResult) -> Result<Updated, Error> {
        let mut settled = Updated {
            value,
            context: written.context,
            versions_held: written.versions_held,
        };
        if self.resolver.is_none() {
            return Ok(settled);
        }
        for _ in 0..self.client.inner.update_attempts {
            if settled.versions_held <= 1 {
                return Ok(settled);
            }
            let mut conflict = UnresolvedConflict {
                versions: Vec::new(),
                context: settled.context.clone(),
                applied: true,
            };
            let found = match self.read(Some(&settled.context)).await {
                Ok(found) => found,
                Err(error) => return Err(error.after_applied(conflict)),
            };
            if let GetResult::Conflict(found) = &found {
                conflict.versions.clone_from(&found.versions);
                conflict.context = found.context.clone();
            }
            let resolved = self.resolve(found, true)?;
            if resolved.versions_held <= 1 {
                // Somebody else was faster.
                return Ok(resolved);
            }
            // Merged values live as long as the longest of them, and the request id was that of the first write.
            let expiry = Some(put_request::Expiry::KeepExpiry(true));
            let options = self.write.clone().without_request_id();
            let value = resolved.value.clone();
            match self.write(value, &resolved.context, expiry, options).await {
                Ok(written) => {
                    settled = Updated {
                        value: resolved.value,
                        context: written.context,
                        versions_held: written.versions_held,
                    };
                }
                // Another writer came first: read again.
                Err(error) if is_lost_race(&error) => {}
                Err(error) => return Err(error.after_applied(conflict)),
            }
        }
        if settled.versions_held <= 1 {
            return Ok(settled);
        }
        let found = self.read(Some(&settled.context)).await;
        let versions = match found {
            Ok(GetResult::Conflict(conflict)) => conflict.versions,
            Ok(found) => return self.resolve(found, true),
            Err(_) => Vec::new(),
        };
        Err(Error::unresolved(
            "the update is applied, but others went on racing it",
            UnresolvedConflict {
                versions,
                context: settled.context,
                applied: true,
            },
        ))
    }
}

fn held(versions: &[Version]) -> u32 {
    u32::try_from(versions.len()).unwrap_or(u32::MAX)
}
