use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::connection::{Authorization, Connection, Endpoint};

/// Makes what is needed to connect to one address.
pub(crate) type Connector =
    Box<dyn Fn(&str) -> Result<tonic::transport::Endpoint, tonic::transport::Error> + Send + Sync>;

/// The endpoints of a client: those it was given, used in turn, and those that direct routing learned of.
pub(crate) struct Endpoints {
    given: Vec<Arc<Endpoint>>,
    learned: RwLock<HashMap<String, Arc<Endpoint>>>,
    next: AtomicUsize,
    changed: Arc<watch::Sender<()>>,
    connector: Connector,
    authorization: Authorization,
    /// Keeps the connections up; they end with the client.
    keepers: Mutex<JoinSet<()>>,
}

impl Endpoints {
    pub(crate) fn new(
        addresses: Vec<String>,
        connector: Connector,
        authorization: Authorization,
    ) -> Result<Self, tonic::transport::Error> {
        let mut endpoints = Self {
            given: Vec::new(),
            learned: RwLock::default(),
            next: AtomicUsize::new(rand::random_range(0..addresses.len().max(1))),
            changed: Arc::new(watch::Sender::new(())),
            connector,
            authorization,
            keepers: Mutex::default(),
        };
        endpoints.given = addresses
            .into_iter()
            .map(|address| endpoints.open(address))
            .collect::<Result<_, _>>()?;
        Ok(endpoints)
    }

    /// The endpoint of this address, which is connected to from now on if it was not known.
    pub(crate) fn at(&self, address: &str) -> Option<Arc<Endpoint>> {
        let known = |endpoint: &&Arc<Endpoint>| endpoint.address == address;
        if let Some(endpoint) = self.given.iter().find(known) {
            return Some(Arc::clone(endpoint));
        }
        let read = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = read.get(address) {
            return Some(Arc::clone(endpoint));
        }
        drop(read);
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = learned.get(address) {
            return Some(Arc::clone(endpoint));
        }
        let endpoint = self.open(address.to_owned()).ok()?;
        learned.insert(address.to_owned(), Arc::clone(&endpoint));
        Some(endpoint)
    }

    /// Connects to these addresses, and waits for that long at most until each is connected or has failed to.
    pub(crate) async fn connect_to(&self, addresses: impl Iterator<Item = &str>, within: Duration) {
        let wanted: Vec<_> = addresses.filter_map(|address| self.at(address)).collect();
        let settled =
            |one: &Arc<Endpoint>| one.connection().is_some() || one.last_failure().is_some();
        let mut changed = self.changed.subscribe();
        let all_settled = async {
            while !wanted.iter().all(settled) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        // Too late is as good as failed.
        let _ = timeout(within, all_settled).await;
    }

    /// The next usable connection, another than `avoided` if there is one. Waits while endpoints are being connected
    /// to; fails, with the reasons, once an attempt to connect has failed for each.
    pub(crate) async fn next(&self, avoided: Option<&str>) -> Result<Connection, String> {
        if let Some(connection) = self.usable(avoided) {
            return Ok(connection);
        }
        let mut changed = self.changed.subscribe();
        let before: Vec<u64> = self.given.iter().map(|one| one.failures()).collect();
        self.given.iter().for_each(|one| one.connect_now());
        loop {
            if let Some(connection) = self.usable(avoided) {
                return Ok(connection);
            }
            let mut failed = self.given.iter().zip(&before);
            if failed.all(|(one, before)| one.failures() > *before) {
                return Err(self.reasons());
            }
            if changed.changed().await.is_err() {
                return Err(self.reasons());
            }
        }
    }

    /// The reasons why no endpoint is usable.
    pub(crate) fn reasons(&self) -> String {
        let reasons: Vec<String> = self
            .given
            .iter()
            .map(|one| {
                let why = one.last_failure();
                format!(
                    "{}: {}",
                    one.address,
                    why.as_deref().unwrap_or("connecting")
                )
            })
            .collect();
        format!("no endpoint can be reached ({})", reasons.join("; "))
    }

    fn usable(&self, avoided: Option<&str>) -> Option<Connection> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let in_turn = || {
            let count = self.given.len();
            (0..count).map(move |i| &self.given[(start.wrapping_add(i)) % count])
        };
        in_turn()
            .filter(|one| Some(one.address.as_str()) != avoided)
            .find_map(Endpoint::connection)
            .or_else(|| in_turn().find_map(Endpoint::connection))
    }

    fn open(&self, address: String) -> Result<Arc<Endpoint>, tonic::transport::Error> {
        let target = (self.connector)(&address)?;
        let endpoint = Arc::new(Endpoint::new(address, Arc::clone(&self.changed)));
        let keeper = Arc::clone(&endpoint);
        let authorization = self.authorization.clone();
        self.keepers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .spawn(async move { keeper.keep_connected(target, authorization).await });
        Ok(endpoint)
    }
}
