use crate::proto::{self, ConsistencyLevel};
use crate::{Context, Dot, Stamp, Value, Version};

/// What a read found: one value, several that raced, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a read may have found a conflict"]
pub enum GetResult {
    /// Exactly one version.
    Found(Found),
    /// Several versions raced: merge them, and put the result with the context.
    Conflict(Conflict),
    /// Never written, deleted or expired.
    Absent(Absent),
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// The value.
    pub value: Value,
    /// The name and the times of its version.
    pub stamp: Stamp,
    /// Covers what is stored. Give it to the next write.
    pub context: Context,
    /// How the answer came about.
    pub report: ReadReport,
}

/// Versions of which none has seen another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// All versions, sorted by dot: at least one value; a deletion that raced is among them.
    pub versions: Vec<Version>,
    /// Covers all of them. A put with it resolves the conflict.
    pub context: Context,
    /// How the answer came about.
    pub report: ReadReport,
}

/// No value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Absent {
    /// Covers what is stored, deletions included. Give it to the write that makes the key (again).
    pub context: Context,
    /// How the answer came about.
    pub report: ReadReport,
}

impl GetResult {
    /// Covers what was found.
    #[must_use]
    pub fn context(&self) -> &Context {
        match self {
            Self::Found(found) => &found.context,
            Self::Conflict(conflict) => &conflict.context,
            Self::Absent(absent) => &absent.context,
        }
    }

    /// How the answer came about.
    #[must_use]
    pub fn report(&self) -> &ReadReport {
        match self {
            Self::Found(found) => &found.report,
            Self::Conflict(conflict) => &conflict.report,
            Self::Absent(absent) => &absent.report,
        }
    }
}

/// A put or a delete has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutResult {
    /// Covers this write and what it superseded. Give it to the next write, or to a read that must see this one.
    pub context: Context,
    /// The name of the version that the write made.
    pub dot: Dot,
    /// How many versions the coordinating replica held right after the write, deletions included. More than 1: writes
    /// raced, read and resolve. 0: not known, as for a write that was replayed from memory.
    pub versions_held: u32,
    /// How far the write had come.
    pub report: WriteReport,
}

/// What a touch did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TouchResult {
    /// Covers what is stored now.
    pub context: Context,
    /// How far the write had come; `None`: the key was absent, and nothing was written.
    pub report: Option<WriteReport>,
}

impl TouchResult {
    /// Whether there was a value whose expiry has been changed.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        self.report.is_some()
    }
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It has happened.
    Applied {
        /// The name of the version that it made.
        dot: Dot,
        /// Covers what the replicas that were asked hold.
        context: Context,
    },
    /// None of the replicas asked holds it: it was not applied, is on its way, or was superseded since. After an answer
    /// at `ALL`, and with no write since, it was not applied.
    NotSeen {
        /// Covers what the replicas that were asked hold.
        context: Context,
    },
}

/// How a read came to its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadReport {
    /// The level that was met; `Unspecified` if a number of replicas was asked for.
    pub achieved: ConsistencyLevel,
    /// How many replicas were asked.
    pub replicas_asked: u32,
    /// How many of these had answered.
    pub replicas_answered: u32,
    /// How many of these held what was answered already.
    pub replicas_agreed: u32,
    /// Whether replicas that were behind are being, or have been, brought up to date.
    pub repair_started: bool,
    /// The id of the node that coordinated the read.
    pub coordinator: String,
    /// The version of the cluster layout that decided which replicas were asked.
    pub topology_epoch: u64,
}

/// How far a write had come when it was answered. It goes on to all replicas afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteReport {
    /// The level that was met; `Unspecified` if a number of replicas was asked for.
    pub achieved: ConsistencyLevel,
    /// How many replicas of the key had acknowledged.
    pub acked: u32,
    /// How many hints were stored for replicas that are away.
    pub hinted: u32,
    /// How many of `acked` came after an fsync.
    pub synced: u32,
    /// The request id was known: this is the answer of the earlier write, nothing new was made.
    pub replayed: bool,
    /// The id of the node that coordinated the write.
    pub coordinator: String,
    /// The version of the cluster layout that decided which replicas were written.
    pub topology_epoch: u64,
}

impl From<proto::ReadReport> for ReadReport {
    fn from(report: proto::ReadReport) -> Self {
        Self {
            achieved: report.achieved(),
            replicas_asked: report.replicas_asked,
            replicas_answered: report.replicas_answered,
            replicas_agreed: report.replicas_agreed,
            repair_started: report.repair_started,
            coordinator: report.coordinator,
            topology_epoch: report.topology_epoch,
        }
    }
}

impl From<proto::WriteReport> for WriteReport {
    fn from(report: proto::WriteReport) -> Self {
        Self {
            achieved: report.achieved(),
            acked: report.acked,
            hinted: report.hinted,
            synced: report.synced,
            replayed: report.replayed,
            coordinator: report.coordinator,
            topology_epoch: report.topology_epoch,
        }
    }
}

impl From<proto::GetResponse> for GetResult {
    fn from(response: proto::GetResponse) -> Self {
        let context = Context::from_bytes(response.context);
        let report = response.report.unwrap_or_default().into();
        let mut versions: Vec<Version> = response.versions.into_iter().map(Version::from).collect();
        // By what is there rather than by the state, so that no state can promise a value that is missing.
        match versions.pop() {
            None => Self::Absent(Absent { context, report }),
            Some(Version {
                value: Some(value),
                stamp,
            }) if versions.is_empty() => Self::Found(Found {
                value,
                stamp,
                context,
                report,
            }),
            Some(last) => {
                versions.push(last);
                Self::Conflict(Conflict {
                    versions,
                    context,
                    report,
                })
            }
        }
    }
}

impl From<proto::PutResponse> for PutResult {
    fn from(response: proto::PutResponse) -> Self {
        Self {
            context: Context::from_bytes(response.context),
            dot: response.dot.unwrap_or_default().into(),
            versions_held: response.versions_held,
            report: response.report.unwrap_or_default().into(),
        }
    }
}

impl From<proto::DeleteResponse> for PutResult {
    fn from(response: proto::DeleteResponse) -> Self {
        Self {
            context: Context::from_bytes(response.context),
            dot: response.dot.unwrap_or_default().into(),
            versions_held: response.versions_held,
            report: response.report.unwrap_or_default().into(),
        }
    }
}

impl From<proto::TouchResponse> for TouchResult {
    fn from(response: proto::TouchResponse) -> Self {
        Self {
            context: Context::from_bytes(response.context),
            report: response
                .applied
                .then(|| response.report.unwrap_or_default().into()),
        }
    }
}

impl From<proto::GetWriteOutcomeResponse> for WriteOutcome {
    fn from(response: proto::GetWriteOutcomeResponse) -> Self {
        let context = Context::from_bytes(response.context);
        match response.dot {
            Some(dot) => Self::Applied {
                dot: dot.into(),
                context,
            },
            None => Self::NotSeen { context },
        }
    }
}
