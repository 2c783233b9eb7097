use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::error::Error;
use crate::operation::{Delete, Expiry, Get, Put, Touch};
use crate::request::{self, Answer as _, Call, Request};
use crate::{Change, Client, Context, Update, Value, proto};

/// How many keys a session remembers.
const KEYS_MAX: usize = 10_000;

/// Operations that follow on each other: what the session has read or written of a key it never reads an older state of,
/// and its writes supersede exactly what it has seen. At any consistency, through any node.
///
/// It does so by remembering, for each key, the context of the last answer; so its operations take none. Operations on
/// one key wait for each other. The first write of a key that the session has not read is blind. Of more than 10,000
/// keys those are forgotten that were used least recently: a forgotten key is as one that the session has not seen.
///
/// Cheap to clone; all clones are one session.
///
/// ```no_run
/// # async fn example(client: kindred_client::Client) -> Result<(), kindred_client::Error> {
/// use kindred_client::ConsistencyLevel::One;
///
/// let session = client.session();
/// session.put("default", "name", "Ann").consistency(One).await?;
/// let read = session.get("default", "name").consistency(One).await?; // Ann, or something later
/// # let _ = read;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Session {
    client: Client,
    memory: Arc<Mutex<Memory>>,
}

/// What the session has seen of one key, locked while an operation on it is under way.
pub(crate) type Seen = Arc<tokio::sync::Mutex<Option<Context>>>;

impl Session {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            memory: Arc::new(Mutex::new(Memory::new(KEYS_MAX))),
        }
    }

    /// Reads a key, and finds at least what the session has seen of it.
    pub fn get(&self, bucket: impl Into<String>, key: impl AsRef<[u8]>) -> Get<Self> {
        let options = self.client.inner.read.clone();
        Get::new(self.clone(), request::key(bucket, key), options)
    }

    /// Stores a value in the place of what the session has seen.
    pub fn put(
        &self,
        bucket: impl Into<String>,
        key: impl AsRef<[u8]>,
        value: impl Into<Value>,
    ) -> Put<Self> {
        let options = self.client.inner.write.clone();
        Put::new(
            self.clone(),
            request::key(bucket, key),
            value.into(),
            options,
        )
    }

    /// Deletes what the session has seen.
    pub fn delete(&self, bucket: impl Into<String>, key: impl AsRef<[u8]>) -> Delete<Self> {
        let options = self.client.inner.write.clone();
        Delete::new(self.clone(), request::key(bucket, key), options)
    }

    /// Changes when a key expires, if it holds what the session has seen.
    pub fn touch(
        &self,
        bucket: impl Into<String>,
        key: impl AsRef<[u8]>,
        expiry: Expiry,
    ) -> Touch<Self> {
        let options = self.client.inner.write.clone();
        Touch::new(self.clone(), request::key(bucket, key), expiry, options)
    }

    /// Reads, resolves, changes and stores, as [`Client::update`], starting from no less than what the session has seen.
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

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn seen(&self, key: &proto::Key) -> Seen {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.seen(&key.bucket, &key.key)
    }
}

impl Call for Session {
    async fn call<R: Request>(self, mut request: R) -> Result<R::Answer, Error> {
        let seen = self.seen(request.key());
        let mut seen = seen.lock().await;
        if let Some(context) = &*seen {
            request.continue_from(context);
        }
        let answer = self.client.call(request).await?;
        *seen = Some(answer.seen().clone());
        Ok(answer)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

type Name = (String, Bytes);

/// What was seen of each key, the least recently used forgotten first.
struct Memory {
    keys_max: usize,
    seen: HashMap<Name, (Seen, u64)>,
    /// By when they were used last.
    order: BTreeMap<u64, Name>,
    clock: u64,
}

impl Memory {
    fn new(keys_max: usize) -> Self {
        Self {
            keys_max,
            seen: HashMap::new(),
            order: BTreeMap::new(),
            clock: 0,
        }
    }

    fn seen(&mut self, bucket: &str, key: &Bytes) -> Seen {
        self.clock += 1;
        let name = (request::bucket_name(bucket).to_owned(), key.clone());
        let (seen, used) = self.seen.entry(name.clone()).or_default();
        let seen = Arc::clone(seen);
        self.order.remove(used);
        *used = self.clock;
        self.order.insert(self.clock, name);
        self.forget();
        seen
    }

    fn forget(&mut self) {
        let surplus = self.seen.len().saturating_sub(self.keys_max);
        // A key in use stays, or operations on it would not wait for each other.
        let idle = |name: &&Name| Arc::strong_count(&self.seen[*name].0) == 1;
        let forgotten: Vec<Name> = self
            .order
            .values()
            .filter(idle)
            .take(surplus)
            .cloned()
            .collect();
        for name in forgotten {
            if let Some((_, used)) = self.seen.remove(&name) {
                self.order.remove(&used);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_key_is_forgotten_unless_it_is_in_use() {
        let mut memory = Memory::new(2);
        let remember = |memory: &mut Memory, key: &'static str| {
            let seen = memory.seen("default", &Bytes::from(key));
            *seen.try_lock().unwrap() = Some(Context::from_bytes(key));
        };
        let known = |memory: &Memory, key: &'static str| {
            let name = ("default".to_owned(), Bytes::from(key));
            memory.seen.contains_key(&name)
        };
        remember(&mut memory, "a");
        remember(&mut memory, "b");
        remember(&mut memory, "a");
        remember(&mut memory, "c");
        assert!(known(&memory, "a") && !known(&memory, "b") && known(&memory, "c"));

        let in_use = memory.seen("", &Bytes::from("a"));
        assert_eq!(*in_use.try_lock().unwrap(), Some(Context::from_bytes("a")));
        remember(&mut memory, "d");
        remember(&mut memory, "e");
        assert!(known(&memory, "a") && known(&memory, "e") && !known(&memory, "d"));
        assert_eq!(memory.order.len(), memory.seen.len());
    }
}
