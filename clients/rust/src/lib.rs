//! A client of [Kindred](https://github.com/kindred-db/kindred), a Dynamo-style key-value store made for gRPC.
//!
//! A key holds one value, or several that raced: the store keeps them as siblings until somebody resolves them, and every
//! answer carries the [`Context`] with which the next write supersedes exactly what it has seen.
//!
//! ```no_run
//! use kindred_client::{Client, GetResult};
//!
//! # async fn example() -> Result<(), kindred_client::Error> {
//! let client = Client::connect(["127.0.0.1:7400", "127.0.0.1:7401", "127.0.0.1:7402"]).await?;
//!
//! match client.get("default", "cart").await? {
//!     GetResult::Found(found) => {
//!         let cart = [found.value.data.as_ref(), b", eggs"].concat();
//!         client.put("default", "cart", cart).context(&found.context).await?;
//!     }
//!     GetResult::Conflict(conflict) => {
//!         // Make one of all: a put with this context replaces them.
//!         println!("{:?} raced", conflict.versions);
//!     }
//!     GetResult::Absent(absent) => {
//!         client.put("default", "cart", "milk").context(&absent.context).await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`Client::update`] is that loop, with a [`Resolver`] for what raced.
//! - [`Client::session`] reads its own writes and never goes back, at any level.
//! - [`Client::pipeline`] has many operations in flight over one stream.
//! - [`Client::batch_get`] and [`Client::batch_write`] carry up to 1,000 items in one call.
//! - [`ClientBuilder::direct_routing`] sends each key to a node that keeps it.
//!
//! # Failures
//!
//! Every write carries a random [`RequestId`], so that the client may send it again without it counting twice. It does so
//! where the failure may be gone the next time, with another endpoint each time, within [`ClientBuilder::timeout`] and
//! [`ClientBuilder::attempts`]. What is left is an [`Error`], whose [`outcome`](Error::outcome) says whether a write was
//! certainly not applied or may have been.
//!
//! Operations are cancelled by dropping their future. A write that had been sent may happen all the same.
//!
//! # Features
//!
//! - `tls` (off by default): encrypted connections by rustls, `ClientBuilder::tls`.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod backoff;
mod batch;
mod batch_call;
mod builder;
mod client;
mod connection;
mod endpoints;
mod error;
mod operation;
mod options;
mod pipeline;
mod placement;
pub mod proto;
mod request;
mod resolver;
mod retry;
mod session;
mod status;
#[cfg(test)]
mod tests;
mod update;
mod value;
mod version;

pub use answer::{
    Absent, Conflict, Found, GetResult, PutResult, ReadReport, TouchResult, WriteOutcome,
    WriteReport,
};
pub use batch::{BatchGet, BatchResults, BatchWrite, Mutation};
pub use builder::ClientBuilder;
pub use client::Client;
pub use connection::{Authorization, Transport};
pub use error::{Error, Outcome, UnresolvedConflict};
pub use operation::{Batched, Delete, Expiry, Get, OperationFuture, Put, Stateless, Target, Touch};
pub use options::{ReadOptions, RequestId, Strength, WriteOptions};
pub use pipeline::Pipeline;
pub use placement::Placement;
pub use proto::{
    BlindWrite, ConflictMode, ConsistencyLevel, Durability, ErrorDetail, ErrorReason, Handoff,
};
pub use resolver::{Resolver, last_writer, union};
pub use session::Session;
pub use tonic::Code;
#[cfg(feature = "tls")]
pub use tonic::transport::{Certificate, ClientTlsConfig, Identity};
pub use update::{Change, Update, Updated};
pub use value::Value;
pub use version::{Context, Dot, Stamp, VectorClock, Version};

/// The code in README.md is compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
