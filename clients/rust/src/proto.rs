//! The messages and stubs generated from `proto/kindred/v1`, complete and as they are on the wire.
//!
//! Everything the cluster offers can be reached through them: [`Client::transport`](crate::Client::transport) gives a
//! connection to put a stub on. Their documentation is that of the proto files.
#![allow(
    missing_docs,
    rustdoc::all,
    unreachable_pub,
    clippy::all,
    clippy::pedantic
)]

include!("proto/kindred/v1/kindred.v1.rs");

/// What `grpc-status-details-bin` holds.
pub(crate) mod rpc {
    include!("proto/google/rpc/google.rpc.rs");
}
