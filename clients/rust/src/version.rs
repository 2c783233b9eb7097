use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use crate::{Value, proto};

/// What has been seen of one key, as an opaque token.
///
/// Every answer carries one. Given to a write, the write supersedes exactly what the token covers; given to a read as
/// `min_context`, the read never answers with less. It is valid for one key of one cluster, at most 4 KiB long, and may
/// be kept or sent elsewhere as bytes.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Context(Bytes);

impl Context {
    /// Takes up a context that was kept or received as bytes. The server refuses it if it is damaged.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for keeping or sending.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Whether it covers nothing, as no answer's does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context(")?;
        for byte in &self.0 {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// The name of one write, given by the replica that coordinated it, and never used for another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot {
    /// The random id of the replica's data store.
    pub replica: u64,
    /// Renewed whenever the replica cannot prove that it remembers what it wrote under the key.
    pub epoch: u32,
    /// Counts the writes of one key, replica and epoch without gaps, from 1.
    pub counter: u64,
}

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}:{}:{}", self.replica, self.epoch, self.counter)
    }
}

/// Which writes somebody has seen: an entry `(replica, epoch, n)` stands for the counters 1 to n.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VectorClock {
    /// Sorted by replica and epoch, at most one for each.
    pub entries: Vec<Dot>,
}

impl VectorClock {
    /// Whether the write of that name has been seen.
    #[must_use]
    pub fn covers(&self, dot: Dot) -> bool {
        self.entries.iter().any(|entry| {
            (entry.replica, entry.epoch) == (dot.replica, dot.epoch) && entry.counter >= dot.counter
        })
    }
}

/// What names and dates a version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stamp {
    /// The name of the write that made the version.
    pub dot: Dot,
    /// What the writer had seen, without this write: a version came before another if the other's clock covers its dot.
    pub clock: VectorClock,
    /// When the coordinating replica made it, by its hybrid logical clock. For people; it orders no versions of which
    /// one writer had seen the other.
    pub written_at: SystemTime,
    /// When it stops being served; `None`: never.
    pub expire_time: Option<SystemTime>,
}

/// One of the versions of a key that raced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Version {
    /// The value, or `None` if the key was deleted or the value has expired.
    pub value: Option<Value>,
    /// Its name, its past and its times.
    pub stamp: Stamp,
}

impl Version {
    /// Whether this is a deletion, or a value that has expired.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.value.is_none()
    }
}

impl From<proto::Dot> for Dot {
    fn from(dot: proto::Dot) -> Self {
        Self {
            replica: dot.replica,
            epoch: dot.epoch,
            counter: dot.counter,
        }
    }
}

impl From<proto::Version> for Version {
    fn from(version: proto::Version) -> Self {
        Self {
            value: match version.body {
                Some(proto::version::Body::Value(value)) => Some(value.into()),
                Some(proto::version::Body::Deleted(_)) | None => None,
            },
            stamp: Stamp {
                dot: version.dot.unwrap_or_default().into(),
                clock: VectorClock {
                    entries: version
                        .clock
                        .unwrap_or_default()
                        .entries
                        .into_iter()
                        .map(Dot::from)
                        .collect(),
                },
                written_at: version
                    .written_at
                    .and_then(|time| time.try_into().ok())
                    .unwrap_or(SystemTime::UNIX_EPOCH),
                expire_time: version.expire_time.and_then(|time| time.try_into().ok()),
            },
        }
    }
}
