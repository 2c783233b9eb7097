use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tonic::Code;
use tonic::metadata::AsciiMetadataValue;

use crate::client::Inner;
use crate::connection::Authorization;
use crate::endpoints::Endpoints;
use crate::error::{Error, Kind};
use crate::placement::Router;
use crate::resolver::Resolver;
use crate::{Client, ReadOptions, WriteOptions, request};

/// Settings of a [`Client`].
///
/// ```no_run
/// use std::time::Duration;
///
/// use kindred_client::{Client, ConsistencyLevel, ReadOptions, last_writer};
///
/// # async fn example() -> Result<(), kindred_client::Error> {
/// let client = Client::builder(["127.0.0.1:7400", "127.0.0.1:7401"])
///     .timeout(Duration::from_secs(2))
///     .read_options(ReadOptions::new().consistency(ConsistencyLevel::One))
///     .resolver("profiles", last_writer)
///     .connect()
///     .await?;
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
#[must_use = "settings do nothing until a client is connected with them"]
pub struct ClientBuilder {
    endpoints: Vec<String>,
    timeout: Duration,
    attempts: u32,
    update_attempts: u32,
    read: ReadOptions,
    write: WriteOptions,
    resolvers: HashMap<String, Arc<dyn Resolver>>,
    token: Option<String>,
    direct_routing: bool,
    #[cfg(feature = "tls")]
    tls: Option<crate::ClientTlsConfig>,
}

impl ClientBuilder {
    pub(crate) fn new(endpoints: Vec<String>) -> Self {
        Self {
            endpoints,
            timeout: Duration::from_secs(5),
            attempts: 4,
            update_attempts: 10,
            read: ReadOptions::new(),
            write: WriteOptions::new(),
            resolvers: HashMap::new(),
            token: None,
            direct_routing: false,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// How long an operation may take, all its attempts together. Default: 5 s. The server works on one attempt for at
    /// most 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often an operation is sent at most. Default: 4.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// How often an [update](Client::update) begins anew, or resolves what raced its write. Default: 10.
    pub fn update_attempts(mut self, attempts: u32) -> Self {
        self.update_attempts = attempts.max(1);
        self
    }

    /// How to read where an operation does not say. Default: as the bucket says.
    pub fn read_options(mut self, options: ReadOptions) -> Self {
        self.read = options;
        self
    }

    /// How to write where an operation does not say. Default: as the bucket says.
    pub fn write_options(mut self, options: WriteOptions) -> Self {
        self.write = options;
        self
    }

    /// What makes versions that raced into one, in the [updates](Client::update) of a bucket.
    pub fn resolver(mut self, bucket: impl Into<String>, resolver: impl Resolver) -> Self {
        let bucket = request::bucket_name(&bucket.into()).to_owned();
        self.resolvers.insert(bucket, Arc::new(resolver));
        self
    }

    /// Sends `authorization: Bearer TOKEN` with each call.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Encrypts the connections, and checks whom they are to; with an identity (certificate and key) also says who the
    /// client is.
    ///
    /// ```no_run
    /// use kindred_client::{Certificate, Client, ClientTlsConfig, Identity};
    ///
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let tls = ClientTlsConfig::new()
    ///     .ca_certificate(Certificate::from_pem(std::fs::read("ca.pem")?))
    ///     .identity(Identity::from_pem(std::fs::read("client.pem")?, std::fs::read("client.key")?));
    /// let client = Client::builder(["kindred.example:7400"]).tls(tls).connect_lazy()?;
    /// # let _ = client;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn tls(mut self, config: crate::ClientTlsConfig) -> Self {
        self.tls = Some(config);
        self
    }

    /// Learns where keys live, and sends each operation to a node that keeps its key, also to nodes that are not among
    /// the endpoints. Saves the cluster a hop. Default: off.
    pub fn direct_routing(mut self, on: bool) -> Self {
        self.direct_routing = on;
        self
    }

    /// Makes the client, and waits until it is connected to one of the endpoints. Fails if none can be reached.
    pub async fn connect(self) -> Result<Client, Error> {
        let client = self.connect_lazy()?;
        client.transport().await?;
        Ok(client)
    }

    /// Makes the client at once; its connections are made in the background, and operations wait for the first.
    ///
    /// Fails if an endpoint is no `host:port`, or the token is not plain ASCII.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn connect_lazy(self) -> Result<Client, Error> {
        let invalid = |message: String| Error::local(Kind::Read, Code::InvalidArgument, message);
        if self.endpoints.is_empty() {
            return Err(invalid("a client needs at least one endpoint".to_owned()));
        }
        let token = match &self.token {
            None => None,
            Some(token) => {
                let mut value = AsciiMetadataValue::try_from(format!("Bearer {token}"))
                    .map_err(|_| invalid("the token is not plain ASCII".to_owned()))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        #[cfg(feature = "tls")]
        let tls = self.tls;
        let connector = move |address: &str| {
            #[cfg(feature = "tls")]
            if let Some(tls) = &tls {
                return target("https", address)?.tls_config(tls.clone());
            }
            target("http", address)
        };
        let endpoints =
            Endpoints::new(self.endpoints, Box::new(connector), Authorization { token })
                .map_err(|error| invalid(format!("an endpoint is not host:port: {error}")))?;
        Ok(Client {
            inner: Arc::new(Inner {
                endpoints,
                router: self.direct_routing.then(Router::default),
                resolvers: self.resolvers,
                read: self.read,
                write: self.write,
                timeout: self.timeout,
                attempts: self.attempts,
                update_attempts: self.update_attempts,
            }),
        })
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("endpoints", &self.endpoints)
            .field("timeout", &self.timeout)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// How a connection to one address is made and kept.
fn target(
    scheme: &str,
    address: &str,
) -> Result<tonic::transport::Endpoint, tonic::transport::Error> {
    Ok(
        tonic::transport::Endpoint::from_shared(format!("{scheme}://{address}"))?
            .connect_timeout(Duration::from_secs(2))
            .tcp_nodelay(true)
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true)
            // Room for the answers of a full pipeline.
            .initial_stream_window_size(1024 * 1024)
            .initial_connection_window_size(4 * 1024 * 1024),
    )
}
