use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::backoff::Backoff;
use crate::proto::key_value_service_client::KeyValueServiceClient;

/// A connection to one endpoint that sends the client's token with each call: put any generated stub on it.
pub type Transport = InterceptedService<Channel, Authorization>;

pub(crate) type Stub = KeyValueServiceClient<Transport>;

/// A record may be 8 MiB, and an answer holds it with all its siblings.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Between two attempts to connect, however much somebody is waiting.
const RECONNECT_MIN: Duration = Duration::from_millis(25);
const RECONNECT_MAX: Duration = Duration::from_secs(5);

/// A connection that lasted that long was a good one: it is made again at once.
const STABLE_AFTER: Duration = Duration::from_secs(1);

/// Adds the client's token to the metadata of each call.
#[derive(Clone)]
pub struct Authorization {
    pub(crate) token: Option<MetadataValue<Ascii>>,
}

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token is a secret.
        f.debug_struct("Authorization").finish_non_exhaustive()
    }
}

impl Interceptor for Authorization {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.token {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// A connection that was usable a moment ago.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) transport: Transport,
    generation: u64,
}

impl Connection {
    pub(crate) fn stub(&self) -> Stub {
        KeyValueServiceClient::new(self.transport.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn address(&self) -> &str {
        &self.endpoint.address
    }

    /// Says that it is not usable any more. The endpoint is left out until it is connected again.
    pub(crate) fn broke(&self) {
        self.endpoint.broke(self.generation);
    }
}

/// One address, and the connection to it that is kept up in the background.
///
/// tonic's own channels reconnect too, but they do so when a call needs them, and have no way to tell whether they are
/// connected. So the first connection is made here, and made again here after it failed.
pub(crate) struct Endpoint {
    pub(crate) address: String,
    state: Mutex<State>,
    /// Somebody waits for this endpoint: connect now, rather than when the backoff is over.
    wanted: Notify,
    broken: Notify,
    changed: Arc<watch::Sender<()>>,
}

#[derive(Default)]
struct State {
    transport: Option<Transport>,
    /// Counts the connections, so that a late complaint about an old one does not end the new one.
    generation: u64,
    failures: u64,
    last_failure: Option<String>,
}

impl Endpoint {
    pub(crate) fn new(address: String, changed: Arc<watch::Sender<()>>) -> Self {
        Self {
            address,
            state: Mutex::default(),
            wanted: Notify::new(),
            broken: Notify::new(),
            changed,
        }
    }

    /// Keeps a connection up for as long as it runs.
    pub(crate) async fn keep_connected(
        &self,
        target: tonic::transport::Endpoint,
        authorization: Authorization,
    ) {
        let mut backoff = Backoff::new(RECONNECT_MIN, RECONNECT_MAX);
        loop {
            match target.connect().await {
                Ok(channel) => {
                    let connected_at = Instant::now();
                    self.update(|state| {
                        state.transport =
                            Some(InterceptedService::new(channel, authorization.clone()));
                        state.generation += 1;
                        state.last_failure = None;
                    });
                    self.broken.notified().await;
                    if connected_at.elapsed() >= STABLE_AFTER {
                        backoff.reset();
                        continue;
                    }
                    // Something accepts connections and ends them: it is as good as down.
                }
                Err(error) => self.update(|state| {
                    state.failures += 1;
                    state.last_failure = Some(innermost(&error));
                }),
            }
            let next = Instant::now() + backoff.next_delay();
            sleep(RECONNECT_MIN).await;
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    pub(crate) fn connection(self: &Arc<Self>) -> Option<Connection> {
        let state = self.state();
        Some(Connection {
            endpoint: Arc::clone(self),
            transport: state.transport.clone()?,
            generation: state.generation,
        })
    }

    /// How many attempts to connect have failed so far.
    pub(crate) fn failures(&self) -> u64 {
        self.state().failures
    }

    pub(crate) fn last_failure(&self) -> Option<String> {
        self.state().last_failure.clone()
    }

    pub(crate) fn connect_now(&self) {
        self.wanted.notify_one();
    }

    fn broke(&self, generation: u64) {
        self.update(|state| {
            if state.generation == generation && state.transport.take().is_some() {
                self.broken.notify_one();
            }
        });
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.send_replace(());
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // No holder can panic half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn innermost(error: &tonic::transport::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_goes_with_each_call_and_is_not_shown() {
        let token = Some(MetadataValue::from_static("Bearer secret"));
        let mut authorization = Authorization { token };
        let request = authorization.call(Request::new(())).unwrap();
        assert_eq!(
            request.metadata().get("authorization").unwrap(),
            "Bearer secret"
        );
        assert!(!format!("{authorization:?}").contains("secret"));
    }
}
