use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::{Endpoint, Transport};
use crate::endpoints::Endpoints;
use crate::error::{Error, Kind};
use crate::operation::{Delete, Expiry, Get, Put, Touch};
use crate::placement::{Placement, Router};
use crate::proto;
use crate::request::{self, Call, Request};
use crate::resolver::Resolver;
use crate::retry::{self, Attempts, Budget};
use crate::{
    BatchGet, BatchWrite, Change, ClientBuilder, Mutation, Pipeline, ReadOptions, RequestId,
    Session, Update, Value, WriteOptions, WriteOutcome,
};

/// Reads and writes the keys of a cluster, through any of its nodes.
///
/// Cheap to clone; all clones share the connections, which close with the last of them. Operations are builders:
/// `.await` carries them out, and dropping the future cancels them.
///
/// ```no_run
/// use kindred_client::{Client, GetResult};
///
/// # async fn example() -> Result<(), kindred_client::Error> {
/// let client = Client::connect(["127.0.0.1:7400", "127.0.0.1:7401", "127.0.0.1:7402"]).await?;
/// client.put("default", "greeting", "hello").await?;
/// match client.get("default", "greeting").await? {
///     GetResult::Found(found) => println!("{:?}, to be replaced with {:?}", found.value, found.context),
///     GetResult::Conflict(conflict) => println!("{} writes raced", conflict.versions.len()),
///     GetResult::Absent(_) => println!("nothing"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) endpoints: Endpoints,
    pub(crate) router: Option<Router>,
    pub(crate) resolvers: HashMap<String, Arc<dyn Resolver>>,
    pub(crate) read: ReadOptions,
    pub(crate) write: WriteOptions,
    pub(crate) timeout: Duration,
    pub(crate) attempts: u32,
    pub(crate) update_attempts: u32,
}

impl Client {
    /// Connects to a cluster with the default settings: see [`ClientBuilder`]. An endpoint is `host:port`.
    ///
    /// Succeeds as soon as one endpoint is connected to, and fails if none can be.
    pub async fn connect<A: Into<String>>(
        endpoints: impl IntoIterator<Item = A>,
    ) -> Result<Self, Error> {
        Self::builder(endpoints).connect().await
    }

    /// Settings for a client of these endpoints.
    pub fn builder<A: Into<String>>(endpoints: impl IntoIterator<Item = A>) -> ClientBuilder {
        ClientBuilder::new(endpoints.into_iter().map(Into::into).collect())
    }

    /// Reads a key.
    pub fn get(&self, bucket: impl Into<String>, key: impl AsRef<[u8]>) -> Get<Self> {
        let options = self.inner.read.clone();
        Get::new(self.clone(), request::key(bucket, key), options)
    }

    /// Stores a value. Give it the context of the read that it follows on, or it overwrites what it has not seen.
    ///
    /// ```no_run
    /// # async fn example(client: kindred_client::Client) -> Result<(), kindred_client::Error> {
    /// let seen = client.get("default", "cart").await?;
    /// let stored = client.put("default", "cart", "milk, eggs").context(seen.context()).await?;
    /// if stored.versions_held > 1 {
    ///     println!("somebody else wrote in between: read and resolve");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn put(
        &self,
        bucket: impl Into<String>,
        key: impl AsRef<[u8]>,
        value: impl Into<Value>,
    ) -> Put<Self> {
        let options = self.inner.write.clone();
        Put::new(
            self.clone(),
            request::key(bucket, key),
            value.into(),
            options,
        )
    }

    /// Deletes a key. A value that raced the delete survives it.
    pub fn delete(&self, bucket: impl Into<String>, key: impl AsRef<[u8]>) -> Delete<Self> {
        let options = self.inner.write.clone();
        Delete::new(self.clone(), request::key(bucket, key), options)
    }

    /// Changes when a key expires, and nothing else about it.
    pub fn touch(
        &self,
        bucket: impl Into<String>,
        key: impl AsRef<[u8]>,
        expiry: Expiry,
    ) -> Touch<Self> {
        let options = self.inner.write.clone();
        Touch::new(self.clone(), request::key(bucket, key), expiry, options)
    }

    /// Reads many keys, at most 1,000, in one call. Each succeeds or fails alone.
    ///
    /// ```no_run
    /// # async fn example(client: kindred_client::Client) -> Result<(), kindred_client::Error> {
    /// for result in client.batch_get([("default", "cart"), ("default", "greeting")]).await? {
    ///     println!("{:?}", result?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch_get<B, K>(&self, keys: impl IntoIterator<Item = (B, K)>) -> BatchGet
    where
        B: Into<String>,
        K: AsRef<[u8]>,
    {
        let keys = keys
            .into_iter()
            .map(|(bucket, key)| request::key(bucket, key));
        BatchGet::new(self.clone(), keys.collect())
    }

    /// Writes many keys, at most 1,000, in one call. Each succeeds or fails alone: this is no transaction.
    ///
    /// ```no_run
    /// # async fn example(client: kindred_client::Client) -> Result<(), kindred_client::Error> {
    /// use kindred_client::{Delete, Mutation, Put};
    ///
    /// let mutations: [Mutation; 2] = [
    ///     Put::of("default", "cart", "milk").into(),
    ///     Delete::of("default", "greeting").into(),
    /// ];
    /// for result in client.batch_write(mutations).await? {
    ///     println!("{:?}", result?.dot);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch_write<M: Into<Mutation>>(
        &self,
        mutations: impl IntoIterator<Item = M>,
    ) -> BatchWrite {
        let mutations = mutations.into_iter().map(Into::into);
        BatchWrite::new(self.clone(), mutations.collect())
    }

    /// Reads a key, resolves what raced, changes the value and stores it with the context of the read; resolves again if
    /// that raced another writer.
    ///
    /// The closure is given the value, or `None` if there is none, and answers with a [`Value`] or a [`Change`]. It is
    /// called again only if its write was certainly not applied.
    ///
    /// ```no_run
    /// # async fn example(client: kindred_client::Client) -> Result<(), kindred_client::Error> {
    /// use kindred_client::{Value, last_writer};
    ///
    /// let updated = client
    ///     .update("default", "visits", |current| {
    ///         let count = current.map_or(0, |value| value.data.len());
    ///         Value::from("x".repeat(count + 1))
    ///     })
    ///     .resolver(last_writer)
    ///     .await?;
    /// println!("{:?}", updated.value);
    /// # Ok(())
    /// # }
    /// ```
    pub fn update<F, C>(
        &self,
        bucket: impl Into<String>,
        key: impl AsRef<[u8]>,
        change: F,
    ) -> Update<Self, F>
    where
        F: FnMut(Option<&Value>) -> C + Send + 'static,
        C: Into<Change>,
    {
        Update::new(self.clone(), request::key(bucket, key), change)
    }

    /// A session: it reads its own writes and never goes back, whatever the level.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// A pipeline: many operations in flight over one stream to each endpoint, at most 1,024 at a time.
    #[must_use]
    pub fn pipeline(&self) -> Pipeline {
        self.pipeline_with_in_flight(1024)
    }

    /// A pipeline with at most that many operations in flight; more wait for their turn.
    #[must_use]
    pub fn pipeline_with_in_flight(&self, in_flight: usize) -> Pipeline {
        Pipeline::new(self.clone(), in_flight)
    }

    /// Asks what became of the write with this request id: for use after [`Outcome::Unknown`](crate::Outcome::Unknown).
    /// Only the consistency of the options matters.
    pub async fn write_outcome(
        &self,
        bucket: impl Into<String>,
        key: impl AsRef<[u8]>,
        request_id: impl Into<RequestId>,
        options: ReadOptions,
    ) -> Result<WriteOutcome, Error> {
        let request = proto::GetWriteOutcomeRequest {
            key: Some(request::key(bucket, key)),
            request_id: request_id.into().into(),
            options: Some(options.into()),
        };
        let inner = &self.inner;
        retry::run(
            Kind::Read,
            inner.budget(),
            &inner.endpoints,
            None,
            |connection, remaining| {
                let mut timed = tonic::Request::new(request.clone());
                timed.set_timeout(remaining);
                async move {
                    match connection.stub().get_write_outcome(timed).await {
                        Ok(response) => Ok(response.into_inner().into()),
                        Err(status) => Err(retry::failure(Kind::Read, &connection, status)),
                    }
                }
            },
        )
        .await
    }

    /// Where the keys of a bucket live, as [direct routing](ClientBuilder::direct_routing) sees it.
    pub async fn placement(&self, bucket: &str) -> Result<Arc<Placement>, Error> {
        Placement::fetch(&self.inner.endpoints, self.inner.budget(), bucket).await
    }

    /// A connection to a node, for the [generated stubs](crate::proto): whatever this client has no method for.
    ///
    /// ```no_run
    /// use kindred_client::proto::{
    ///     ListBucketsRequest, bucket_service_client::BucketServiceClient,
    /// };
    ///
    /// # async fn example(client: kindred_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut buckets = BucketServiceClient::new(client.transport().await?);
    /// let answer = buckets.list_buckets(ListBucketsRequest::default()).await?;
    /// println!("{} buckets", answer.into_inner().buckets.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn transport(&self) -> Result<Transport, Error> {
        let mut attempts = Attempts::new(Kind::Read, self.inner.budget());
        let connection = attempts.connection(&self.inner.endpoints, None).await?;
        Ok(connection.transport)
    }
}

impl Call for Client {
    async fn call<R: Request>(self, request: R) -> Result<R::Answer, Error> {
        self.call_within(request, self.inner.budget()).await
    }
}

impl Client {
    pub(crate) async fn call_within<R: Request>(
        &self,
        mut request: R,
        budget: Budget,
    ) -> Result<R::Answer, Error> {
        let id = request.identify();
        let inner = &self.inner;
        let home = self.home_of(request.key(), budget).await;
        let answer = retry::run(
            R::KIND,
            budget,
            &inner.endpoints,
            home,
            |connection, remaining| {
                let mut timed = tonic::Request::new(request.clone());
                timed.set_timeout(remaining);
                async move {
                    R::send(connection.stub(), timed)
                        .await
                        .map_err(|status| retry::failure(R::KIND, &connection, status))
                }
            },
        )
        .await
        .map_err(|error| error.of(id))?;
        self.learn_from(request.key(), &answer);
        Ok(answer)
    }

    /// The endpoint that keeps the key, if the client routes directly and knows it.
    pub(crate) async fn home_of(&self, key: &proto::Key, budget: Budget) -> Option<Arc<Endpoint>> {
        let router = self.inner.router.as_ref()?;
        router.home_of(self, budget, key).await
    }

    /// Takes note of what an answer tells about the layout of the cluster.
    pub(crate) fn learn_from(&self, key: &proto::Key, answer: &impl request::Answer) {
        if let (Some(router), Some(epoch)) = (&self.inner.router, answer.topology_epoch()) {
            router.layout_seen(self, &key.bucket, epoch);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Inner {
    /// The resolver of a bucket, if it has one.
    pub(crate) fn resolver_of(&self, bucket: &str) -> Option<Arc<dyn Resolver>> {
        self.resolvers.get(request::bucket_name(bucket)).cloned()
    }

    /// What an operation may use that begins now.
    pub(crate) fn budget(&self) -> Budget {
        Budget {
            attempts: self.attempts,
            deadline: Instant::now() + self.timeout,
        }
    }
}
