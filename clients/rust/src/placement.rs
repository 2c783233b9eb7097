use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tonic::Code;
use twox_hash::XxHash64;

use crate::connection::Endpoint;
use crate::endpoints::Endpoints;
use crate::error::{Error, Kind};
use crate::proto::topology_service_client::TopologyServiceClient;
use crate::proto::{self, GetPlacementRequest, GetPlacementResponse};
use crate::retry::{self, Budget};
use crate::{Client, request};

/// Tables are asked for again at most this often.
const REFRESH_MIN: Duration = Duration::from_secs(1);

/// An operation waits at most this long for the first table of its bucket, and at most half of the time that it has.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// Homes that are not connected by then are left to themselves.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// Partitions are numbered by at most this many bits.
const PARTITION_BITS_MAX: u32 = 16;

/// Where the keys of one bucket live: which nodes hold a replica of each.
pub struct Placement {
    /// The version of the cluster layout that says so.
    topology_epoch: u64,
    partition_bits: u32,
    replication: usize,
    nodes: Vec<proto::PlacementNode>,
    /// The homes of partition p, best first: `homes[p * replication..][..replication]`, indexes into `nodes`.
    homes: Vec<u32>,
}

impl Placement {
    /// The place of a key on the ring, a number of 64 bits: xxh64 with seed 0 of the bucket, a zero byte, the key.
    #[must_use]
    pub fn token(bucket: &str, key: &[u8]) -> u64 {
        let bucket = request::bucket_name(bucket);
        let mut record_key = Vec::with_capacity(bucket.len() + 1 + key.len());
        record_key.extend_from_slice(bucket.as_bytes());
        record_key.push(0);
        record_key.extend_from_slice(key);
        XxHash64::oneshot(0, &record_key)
    }

    /// The ids of the nodes that keep the key with this token, best first.
    pub fn homes(&self, token: u64) -> impl Iterator<Item = &str> {
        self.home_nodes(token).map(|node| node.id.as_str())
    }

    /// The version of the cluster layout that this is.
    #[must_use]
    pub fn topology_epoch(&self) -> u64 {
        self.topology_epoch
    }

    fn home_nodes(&self, token: u64) -> impl Iterator<Item = &proto::PlacementNode> {
        let first = partition(token, self.partition_bits) * self.replication;
        self.homes[first..first + self.replication]
            .iter()
            .map(|&node| &self.nodes[node as usize])
    }

    pub(crate) async fn fetch(
        endpoints: &Endpoints,
        budget: Budget,
        bucket: &str,
    ) -> Result<Arc<Self>, Error> {
        let response = retry::run(
            Kind::Read,
            budget,
            endpoints,
            None,
            |connection, remaining| {
                let mut request = tonic::Request::new(GetPlacementRequest {
                    bucket: bucket.to_owned(),
                });
                request.set_timeout(remaining);
                async move {
                    let mut stub = TopologyServiceClient::new(connection.transport.clone());
                    match stub.get_placement(request).await {
                        Ok(response) => Ok(response.into_inner()),
                        Err(status) => Err(retry::failure(Kind::Read, &connection, status)),
                    }
                }
            },
        )
        .await?;
        Self::try_from(response)
            .map(Arc::new)
            .map_err(|message| Error::local(Kind::Read, Code::Internal, message))
    }
}

impl fmt::Debug for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placement")
            .field("topology_epoch", &self.topology_epoch)
            .field("partition_bits", &self.partition_bits)
            .field("replication", &self.replication)
            .field("nodes", &self.nodes)
            .finish_non_exhaustive()
    }
}

impl TryFrom<GetPlacementResponse> for Placement {
    type Error = &'static str;

    /// Refuses a table with holes, so that looking up cannot fail.
    fn try_from(response: GetPlacementResponse) -> Result<Self, &'static str> {
        let replication = response.replication as usize;
        if !response.hash.starts_with("xxh64") {
            return Err("the keys are placed by a hash that this client does not know");
        }
        if response.partition_bits > PARTITION_BITS_MAX || replication == 0 {
            return Err("the table of homes is out of bounds");
        }
        if response.homes.len() != replication << response.partition_bits {
            return Err("the table of homes is not complete");
        }
        let known = |&node: &u32| (node as usize) < response.nodes.len();
        if !response.homes.iter().all(known) {
            return Err("the table of homes names a node that is not there");
        }
        Ok(Self {
            topology_epoch: response.topology_epoch,
            partition_bits: response.partition_bits,
            replication,
            nodes: response.nodes,
            homes: response.homes,
        })
    }
}

/// The top bits of a token.
fn partition(token: u64, bits: u32) -> usize {
    let number = token.checked_shr(u64::BITS - bits).unwrap_or(0);
    usize::try_from(number).expect("a partition has at most 16 bits")
}

/// Sends each key to one of its homes, by tables that are fetched when a bucket is first used, and again when an answer
/// tells of another layout.
#[derive(Default)]
pub(crate) struct Router {
    tables: Mutex<HashMap<String, Arc<Table>>>,
}

#[derive(Default)]
struct Table {
    placement: RwLock<Option<Arc<Placement>>>,
    /// When it was asked for last. Locked while it is being fetched.
    asked_at: Arc<tokio::sync::Mutex<Option<Instant>>>,
}

impl Router {
    /// The first home of the key that is connected; `None`: any endpoint will do. Waits a moment for the bucket's first
    /// table.
    pub(crate) async fn home_of(
        &self,
        client: &Client,
        budget: Budget,
        key: &proto::Key,
    ) -> Option<Arc<Endpoint>> {
        let table = self.table(&key.bucket);
        if table.placement().is_none() {
            table.fetch(client, &key.bucket);
            // A node that does not answer must not cost the operation its time: without a table it costs a hop.
            let remaining = budget.deadline.saturating_duration_since(Instant::now());
            let _ = timeout(FIRST_WITHIN.min(remaining / 2), table.asked_at.lock()).await;
        }
        let placement = table.placement()?;
        let endpoints = &client.inner.endpoints;
        placement
            .home_nodes(Placement::token(&key.bucket, &key.key))
            .filter_map(|node| endpoints.at(&node.address))
            .find(|endpoint| endpoint.connection().is_some())
    }

    /// Takes note of the layout that answered a key of this bucket: another one than that of the table has the table
    /// fetched again.
    pub(crate) fn layout_seen(&self, client: &Client, bucket: &str, topology_epoch: u64) {
        let table = self.table(bucket);
        let is_other = |placement: Arc<Placement>| placement.topology_epoch != topology_epoch;
        if table.placement().is_some_and(is_other) {
            table.fetch(client, bucket);
        }
    }

    fn table(&self, bucket: &str) -> Arc<Table> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = tables.get(bucket) {
            return Arc::clone(table);
        }
        Arc::clone(tables.entry(bucket.to_owned()).or_default())
    }
}

impl Table {
    fn placement(&self) -> Option<Arc<Placement>> {
        let placement = self.placement.read();
        placement.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches the table in the background, unless that is under way or was tried a moment ago. Without a table, or with
    /// an old one, any endpoint will do: a failure costs a hop.
    fn fetch(self: &Arc<Self>, client: &Client, bucket: &str) {
        let Ok(mut asked_at) = Arc::clone(&self.asked_at).try_lock_owned() else {
            return;
        };
        if asked_at.is_some_and(|at| at.elapsed() < REFRESH_MIN) {
            return;
        }
        *asked_at = Some(Instant::now());
        let table = Arc::clone(self);
        let inner = Arc::clone(&client.inner);
        let bucket = bucket.to_owned();
        tokio::spawn(async move {
            let endpoints = &inner.endpoints;
            if let Ok(placement) = Placement::fetch(endpoints, inner.budget(), &bucket).await {
                let addresses = placement.nodes.iter().map(|node| node.address.as_str());
                endpoints.connect_to(addresses, CONNECT_WITHIN).await;
                let place = table.placement.write();
                *place.unwrap_or_else(PoisonError::into_inner) = Some(placement);
            }
            drop(asked_at);
        });
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;

    fn table(partition_bits: u32, replication: u32, homes: Vec<u32>) -> GetPlacementResponse {
        let node = |id: &str| proto::PlacementNode {
            id: id.to_owned(),
            address: format!("{id}:7400"),
        };
        GetPlacementResponse {
            topology_epoch: 1,
            hash: "xxh64".to_owned(),
            partition_bits,
            replication,
            nodes: vec![node("n1"), node("n2"), node("n3")],
            homes,
        }
    }

    #[test]
    fn tokens_and_partitions_are_those_of_the_shared_vectors() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../test/golden/key-tokens.json"
        );
        let golden: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let vectors = golden["vectors"].as_array().unwrap();
        assert_eq!(vectors.len(), 1000);
        for vector in vectors {
            let key = BASE64.decode(vector["key"].as_str().unwrap()).unwrap();
            let token = Placement::token(vector["bucket"].as_str().unwrap(), &key);
            assert_eq!(format!("{token:016x}"), vector["token"].as_str().unwrap());
            assert_eq!(partition(token, 12), vector["partition"]);
        }
    }

    #[test]
    fn the_top_bits_of_the_token_choose_the_homes() {
        let placement = Placement::try_from(table(1, 2, vec![0, 1, 2, 0])).unwrap();
        let homes = |token| placement.homes(token).collect::<Vec<_>>();
        assert_eq!(homes(0), ["n1", "n2"]);
        assert_eq!(homes(u64::MAX >> 1), ["n1", "n2"]);
        assert_eq!(homes(1 << 63), ["n3", "n1"]);
        let whole = Placement::try_from(table(0, 1, vec![1])).unwrap();
        assert_eq!(whole.homes(u64::MAX).collect::<Vec<_>>(), ["n2"]);
    }

    #[test]
    fn a_table_with_holes_is_refused() {
        for broken in [
            table(1, 2, vec![0, 1, 2]),
            table(1, 2, vec![0, 1, 2, 3]),
            table(17, 1, vec![0; 1 << 17]),
            table(1, 0, vec![]),
        ] {
            assert!(Placement::try_from(broken).is_err());
        }
        let mut unknown = table(0, 1, vec![0]);
        unknown.hash = "murmur3".to_owned();
        assert!(Placement::try_from(unknown).is_err());
    }
}
