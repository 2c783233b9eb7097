use std::fmt;

use bytes::Bytes;

use crate::Context;
use crate::error::{Error, Kind};
use crate::proto::{self, ConflictMode, ConsistencyLevel, Durability, ErrorReason, Handoff};

/// The identity of one logical write: 16 random bytes, the same for every time it is sent.
///
/// The client gives one to every write. Choose it yourself where a write must count once beyond one call: across
/// restarts of your process, or when another process takes over.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// A new random id.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The bytes, for keeping.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id of one item of a batch that has this one, as the server makes it: the position, exclusive-or the last four
    /// bytes. So a batch that is given an id again counts once, item by item, even if it is sent in parts.
    pub(crate) fn of_item(self, index: u32) -> Self {
        Self((u128::from_be_bytes(self.0) ^ u128::from(index)).to_be_bytes())
    }
}

impl From<[u8; 16]> for RequestId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<&[u8]> for RequestId {
    type Error = Error;

    /// Takes up an id that was kept as bytes, which must be 16.
    fn try_from(bytes: &[u8]) -> Result<Self, Error> {
        let bytes = bytes.try_into().map_err(|_| {
            let message = format!("a request id has 16 bytes, not {}", bytes.len());
            Error::invalid(Kind::Write, ErrorReason::InvalidRequest, message)
        })?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({:032x})", u128::from_be_bytes(self.0))
    }
}

impl From<RequestId> for Bytes {
    fn from(id: RequestId) -> Self {
        Bytes::copy_from_slice(&id.0)
    }
}

/// How many replicas of a key must answer before the client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// A named level.
    Level(ConsistencyLevel),
    /// A number of replicas: 1 to N.
    Replicas(u32),
}

impl From<ConsistencyLevel> for Strength {
    fn from(level: ConsistencyLevel) -> Self {
        Self::Level(level)
    }
}

/// How to read. What is left out is as the bucket says.
///
/// ```
/// use kindred_client::{ConsistencyLevel, ReadOptions};
///
/// let quick = ReadOptions::new().consistency(ConsistencyLevel::One);
/// # let _ = quick;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "options do nothing until they are given to an operation"]
pub struct ReadOptions {
    strength: Option<Strength>,
    min_context: Option<Context>,
    on_conflict: ConflictMode,
    omit_data: bool,
    fallback: Vec<ConsistencyLevel>,
}

impl ReadOptions {
    /// As the bucket says.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many replicas must answer.
    pub fn consistency(mut self, strength: impl Into<Strength>) -> Self {
        self.strength = Some(strength.into());
        self
    }

    /// The answer must include what this context covers: read your own writes, at any level.
    pub fn min_context(mut self, context: Context) -> Self {
        self.min_context = Some(context);
        self
    }

    /// What to do when the key holds several versions. Default: all are answered.
    pub fn on_conflict(mut self, mode: ConflictMode) -> Self {
        self.on_conflict = mode;
        self
    }

    /// Leaves the data of the values out of the answer.
    pub fn omit_data(mut self) -> Self {
        self.omit_data = true;
        self
    }

    /// Weaker levels that will do, in this order, if the one asked for cannot be met in time.
    pub fn fallback(mut self, levels: impl IntoIterator<Item = ConsistencyLevel>) -> Self {
        self.fallback = levels.into_iter().collect();
        self
    }

    /// Refuses to leave out what an update has to see.
    pub(crate) fn check_complete(&self) -> Result<(), Error> {
        if self.omit_data || self.on_conflict == ConflictMode::PickLatest {
            let message =
                "an update reads whole values and all versions: no omit_data, no PICK_LATEST";
            let reason = ErrorReason::InvalidRequest;
            return Err(Error::invalid(Kind::Write, reason, message));
        }
        Ok(())
    }

    /// The same, with a level of its own only if these have none.
    pub(crate) fn or_consistency(mut self, level: ConsistencyLevel) -> Self {
        self.strength.get_or_insert(Strength::Level(level));
        self
    }
}

impl From<ReadOptions> for proto::ReadOptions {
    fn from(options: ReadOptions) -> Self {
        use proto::read_options::Strength as Wire;

        Self {
            strength: options.strength.map(|strength| match strength {
                Strength::Level(level) => Wire::Consistency(level.into()),
                Strength::Replicas(count) => Wire::Replicas(count),
            }),
            min_context: options
                .min_context
                .map(|context| context.as_bytes().clone())
                .unwrap_or_default(),
            on_conflict: options.on_conflict.into(),
            omit_data: options.omit_data,
            fallback: options.fallback.into_iter().map(i32::from).collect(),
        }
    }
}

/// How to write. What is left out is as the bucket says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "options do nothing until they are given to an operation"]
pub struct WriteOptions {
    strength: Option<Strength>,
    handoff: Handoff,
    durability: Durability,
    request_id: Option<RequestId>,
}

impl WriteOptions {
    /// As the bucket says.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many replicas must acknowledge. Every write goes to all of them in any case.
    pub fn consistency(mut self, strength: impl Into<Strength>) -> Self {
        self.strength = Some(strength.into());
        self
    }

    /// Whether nodes that stand in for absent replicas count.
    pub fn handoff(mut self, handoff: Handoff) -> Self {
        self.handoff = handoff;
        self
    }

    /// When an acknowledgement counts.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The identity of the write. Default: a random one for each.
    pub fn request_id(mut self, id: impl Into<RequestId>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    pub(crate) fn id(&self) -> Option<RequestId> {
        self.request_id
    }

    /// The same, for another write.
    pub(crate) fn without_request_id(mut self) -> Self {
        self.request_id = None;
        self
    }
}

impl From<WriteOptions> for proto::WriteOptions {
    fn from(options: WriteOptions) -> Self {
        use proto::write_options::Strength as Wire;

        Self {
            strength: options.strength.map(|strength| match strength {
                Strength::Level(level) => Wire::Consistency(level.into()),
                Strength::Replicas(count) => Wire::Replicas(count),
            }),
            handoff: options.handoff.into(),
            durability: options.durability.into(),
            request_id: options.request_id.map(Bytes::from).unwrap_or_default(),
        }
    }
}
