use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use crate::proto::{self, BlindWrite, delete_request, put_request, touch_request};
use crate::request::{self, Call, Request as _};
use crate::{
    Client, Context, Error, GetResult, Pipeline, PutResult, ReadOptions, RequestId, Strength,
    TouchResult, Value, WriteOptions,
};

/// What `.await` on an operation waits for. Dropping it cancels the operation; a write that was sent may still happen.
pub type OperationFuture<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// Where operations are carried out: a [`Client`], a [`Session`](crate::Session) or a [`Pipeline`].
pub trait Target: Call + Clone + Send + Sync + 'static {}

impl<T: Call + Clone + Send + Sync + 'static> Target for T {}

/// Where operations are told what they follow on: everywhere but in a [`Session`](crate::Session), which knows by itself.
pub trait Stateless {}

impl Stateless for Client {}
impl Stateless for Pipeline {}
impl Stateless for Batched {}

/// The place of the operations of a [batch](Client::batch_write), which is sent as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Batched(());

/// When a value expires that is there already: for `touch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// This long after the write, by the clock of the node that coordinates it.
    After(Duration),
    /// At this time. A time already past makes the key read as absent at once.
    At(SystemTime),
    /// Not at all.
    Never,
}

macro_rules! operation {
    ($name:ident, $request:ty, $answer:ty) => {
        impl<T: Target> IntoFuture for $name<T> {
            type Output = Result<$answer, Error>;
            type IntoFuture = OperationFuture<$answer>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.target.call::<$request>(self.request))
            }
        }

        impl<T> std::fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($name))
                    .field(&self.request)
                    .finish()
            }
        }
    };
}

macro_rules! write_options {
    ($name:ident) => {
        impl<T> $name<T> {
            /// How to write, all of it. Default: [`ClientBuilder::write_options`](crate::ClientBuilder::write_options).
            pub fn options(mut self, options: WriteOptions) -> Self {
                self.request.options = Some(options.into());
                self
            }

            /// How many replicas must acknowledge.
            pub fn consistency(mut self, strength: impl Into<Strength>) -> Self {
                let options = WriteOptions::new().consistency(strength);
                self.request.options.get_or_insert_default().strength =
                    proto::WriteOptions::from(options).strength;
                self
            }

            /// The identity of the write: the same for every time it is sent. Default: a random one.
            pub fn request_id(mut self, id: impl Into<RequestId>) -> Self {
                self.request.options.get_or_insert_default().request_id = id.into().into();
                self
            }
        }
    };
}

/// Reads a key. Made by `get`; `.await` carries it out.
#[derive(Clone)]
#[must_use = "an operation does nothing until it is awaited"]
pub struct Get<T> {
    target: T,
    request: proto::GetRequest,
}

operation!(Get, proto::GetRequest, GetResult);

impl<T> Get<T> {
    pub(crate) fn new(target: T, key: proto::Key, options: ReadOptions) -> Self {
        let request = proto::GetRequest {
            key: Some(key),
            options: Some(options.into()),
        };
        Self { target, request }
    }

    /// How to read, all of it. Default: [`ClientBuilder::read_options`](crate::ClientBuilder::read_options).
    pub fn options(mut self, options: ReadOptions) -> Self {
        self.request.options = Some(options.into());
        self
    }

    /// How many replicas must answer.
    pub fn consistency(mut self, strength: impl Into<Strength>) -> Self {
        let options = ReadOptions::new().consistency(strength);
        self.request.options.get_or_insert_default().strength =
            proto::ReadOptions::from(options).strength;
        self
    }
}

impl<T: Stateless> Get<T> {
    /// The answer must include what this context covers.
    pub fn min_context(mut self, context: &Context) -> Self {
        self.request.continue_from(context);
        self
    }
}

/// Stores a value. Made by `put`; `.await` carries it out.
#[derive(Clone)]
#[must_use = "an operation does nothing until it is awaited"]
pub struct Put<T> {
    target: T,
    request: proto::PutRequest,
}

operation!(Put, proto::PutRequest, PutResult);
write_options!(Put);

impl<T> Put<T> {
    pub(crate) fn new(target: T, key: proto::Key, value: Value, options: WriteOptions) -> Self {
        let request = proto::PutRequest {
            key: Some(key),
            value: Some(value.into()),
            causality: None,
            expiry: None,
            options: Some(options.into()),
        };
        Self { target, request }
    }

    /// The value expires this long after the write, by the clock of the node that coordinates it. Default: as the
    /// bucket says.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.request.expiry = Some(put_request::Expiry::Ttl(wire_duration(ttl)));
        self
    }

    /// The value expires at this time. One already past makes the key read as absent at once.
    pub fn expire_at(mut self, time: SystemTime) -> Self {
        self.request.expiry = Some(put_request::Expiry::ExpireTime(time.into()));
        self
    }

    /// The value expires when the one expires that it supersedes; of several, the latest.
    pub fn keep_expiry(mut self) -> Self {
        self.request.expiry = Some(put_request::Expiry::KeepExpiry(true));
        self
    }
}

impl Put<Batched> {
    /// A put for a [batch](Client::batch_write).
    pub fn of(bucket: impl Into<String>, key: impl AsRef<[u8]>, value: impl Into<Value>) -> Self {
        Self {
            target: Batched(()),
            request: proto::PutRequest {
                key: Some(request::key(bucket, key)),
                value: Some(value.into().into()),
                ..proto::PutRequest::default()
            },
        }
    }

    pub(crate) fn into_request(self) -> proto::PutRequest {
        self.request
    }
}

impl<T: Stateless> Put<T> {
    /// Supersedes exactly what this context covers.
    pub fn context(mut self, context: &Context) -> Self {
        self.request.continue_from(context);
        self
    }

    /// What to do, without a context, with what is stored. Default: as the bucket says.
    pub fn blind(mut self, mode: BlindWrite) -> Self {
        self.request.causality = Some(put_request::Causality::Blind(mode.into()));
        self
    }
}

/// Deletes a key. Made by `delete`; `.await` carries it out.
#[derive(Clone)]
#[must_use = "an operation does nothing until it is awaited"]
pub struct Delete<T> {
    target: T,
    request: proto::DeleteRequest,
}

operation!(Delete, proto::DeleteRequest, PutResult);
write_options!(Delete);

impl<T> Delete<T> {
    pub(crate) fn new(target: T, key: proto::Key, options: WriteOptions) -> Self {
        let request = proto::DeleteRequest {
            key: Some(key),
            causality: None,
            options: Some(options.into()),
        };
        Self { target, request }
    }
}

impl Delete<Batched> {
    /// A delete for a [batch](Client::batch_write).
    pub fn of(bucket: impl Into<String>, key: impl AsRef<[u8]>) -> Self {
        Self {
            target: Batched(()),
            request: proto::DeleteRequest {
                key: Some(request::key(bucket, key)),
                ..proto::DeleteRequest::default()
            },
        }
    }

    pub(crate) fn into_request(self) -> proto::DeleteRequest {
        self.request
    }
}

impl<T: Stateless> Delete<T> {
    /// Deletes exactly what this context covers.
    pub fn context(mut self, context: &Context) -> Self {
        self.request.continue_from(context);
        self
    }

    /// What to do, without a context, with what is stored. Default: as the bucket says.
    pub fn blind(mut self, mode: BlindWrite) -> Self {
        self.request.causality = Some(delete_request::Causality::Blind(mode.into()));
        self
    }
}

/// Changes when a key expires, and nothing else. Made by `touch`; `.await` carries it out.
#[derive(Clone)]
#[must_use = "an operation does nothing until it is awaited"]
pub struct Touch<T> {
    target: T,
    request: proto::TouchRequest,
}

operation!(Touch, proto::TouchRequest, TouchResult);
write_options!(Touch);

impl<T> Touch<T> {
    pub(crate) fn new(target: T, key: proto::Key, expiry: Expiry, options: WriteOptions) -> Self {
        let request = proto::TouchRequest {
            key: Some(key),
            expiry: Some(match expiry {
                Expiry::After(ttl) => touch_request::Expiry::Ttl(wire_duration(ttl)),
                Expiry::At(time) => touch_request::Expiry::ExpireTime(time.into()),
                Expiry::Never => touch_request::Expiry::Never(true),
            }),
            context: bytes::Bytes::new(),
            options: Some(options.into()),
        };
        Self { target, request }
    }
}

impl<T: Stateless> Touch<T> {
    /// Touches only what this context covers.
    pub fn context(mut self, context: &Context) -> Self {
        self.request.continue_from(context);
        self
    }
}

/// A duration as it goes over the wire; one that does not fit becomes the longest that does, which the server refuses.
pub(crate) fn wire_duration(duration: Duration) -> prost_types::Duration {
    duration.try_into().unwrap_or(prost_types::Duration {
        seconds: i64::MAX,
        nanos: 0,
    })
}
