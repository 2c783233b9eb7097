//! The operations of the conformance protocol, carried out with the client.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use kindred_client::{
    Client, Delete, Expiry, Get, Mutation, Pipeline, Placement, Put, Session, Stateless, Target,
    Touch, Value, WriteOutcome,
};
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use crate::json::{self, Failure, bytes, text};
use crate::update;

pub(crate) type Result<T = Json> = std::result::Result<T, Failure>;

/// What requests name: clients, sessions, pipelines.
#[derive(Default)]
pub(crate) struct Testee {
    clients: Mutex<HashMap<String, Open>>,
    sessions: Mutex<HashMap<String, Session>>,
    pipelines: Mutex<HashMap<String, Pipeline>>,
}

#[derive(Clone)]
struct Open {
    client: Client,
    in_flight: Option<usize>,
}

impl Testee {
    /// Carries out what later requests depend on; `None`: the request is another.
    pub(crate) fn set_up(&self, request: &Json) -> Option<Result> {
        match text(request, "op") {
            "hello" => Some(Ok(json!({
                "language": "rust",
                "version": env!("CARGO_PKG_VERSION"),
                "features": [],
            }))),
            "connect" => Some(self.connect(request)),
            "close" => {
                self.close(request);
                Some(Ok(json!({})))
            }
            "session" => Some(self.open_session(request)),
            "pipeline" => Some(self.open_pipeline(request)),
            _ => None,
        }
    }

    pub(crate) async fn carry_out(&self, request: &Json) -> Result {
        match text(request, "op") {
            "get" | "put" | "delete" | "touch" | "update" => self.on_one_key(request).await,
            "batchGet" => self.batch_get(request).await,
            "batchWrite" => self.batch_write(request).await,
            "writeOutcome" => self.write_outcome(request).await,
            "placement" => self.placement(request).await,
            "pipelined" => self.pipelined(request).await,
            "closePipeline" => self.close_pipeline(request).await,
            op => Err(Failure::Unknown(format!("there is no operation {op}"))),
        }
    }

    fn connect(&self, request: &Json) -> Result {
        let endpoints = request["endpoints"].as_array().into_iter().flatten();
        let mut builder = Client::builder(endpoints.filter_map(Json::as_str))
            .direct_routing(request["directRouting"] == true);
        if let Some(ms) = request["timeoutMs"].as_u64() {
            builder = builder.timeout(Duration::from_millis(ms));
        }
        if let Some(attempts) = request["attempts"].as_u64() {
            builder = builder.attempts(u32::try_from(attempts).unwrap_or(u32::MAX));
        }
        let open = Open {
            client: builder.connect_lazy()?,
            in_flight: in_flight(request),
        };
        name(&self.clients, request, "client", open);
        Ok(json!({}))
    }

    fn close(&self, request: &Json) {
        let name = text(request, "client");
        self.clients.lock().expect("not poisoned").remove(name);
    }

    fn open_session(&self, request: &Json) -> Result {
        let session = self.client(request)?.session();
        name(&self.sessions, request, "session", session);
        Ok(json!({}))
    }

    fn open_pipeline(&self, request: &Json) -> Result {
        let open = find(&self.clients, request, "client")?;
        let pipeline = match in_flight(request).or(open.in_flight) {
            Some(count) => open.client.pipeline_with_in_flight(count),
            None => open.client.pipeline(),
        };
        name(&self.pipelines, request, "pipeline", pipeline);
        Ok(json!({}))
    }

    async fn on_one_key(&self, request: &Json) -> Result {
        let op = text(request, "op");
        let bucket = text(request, "bucket");
        let key = bytes(request, "key")?;
        if request["session"].is_string() {
            let session = find(&self.sessions, request, "session")?;
            return match op {
                "get" => finish_get(session.get(bucket, key), request).await,
                "put" => finish_put(session.put(bucket, key, value(request)?), request).await,
                "delete" => finish_delete(session.delete(bucket, key), request).await,
                "touch" => {
                    finish_touch(session.touch(bucket, key, expiry(request)?), request).await
                }
                _ => {
                    let update = session.update(bucket, key, update::change(request)?);
                    update::carry_out(update, request).await
                }
            };
        }
        let client = self.client(request)?;
        match op {
            "update" => {
                let update = client.update(bucket, key, update::change(request)?);
                update::carry_out(update, request).await
            }
            _ => stateless(&client, op, request).await,
        }
    }

    async fn batch_get(&self, request: &Json) -> Result {
        let batch = self
            .client(request)?
            .batch_get(keys(request)?)
            .options(json::read_options(&request["read"])?);
        Ok(items_json(batch.await?, json::get_json))
    }

    async fn batch_write(&self, request: &Json) -> Result {
        let mutations = request["mutations"].as_array().into_iter().flatten();
        let batch = self
            .client(request)?
            .batch_write(mutations.map(mutation).collect::<Result<Vec<_>>>()?)
            .options(json::write_options(&request["write"])?);
        Ok(items_json(batch.await?, json::put_json))
    }

    async fn write_outcome(&self, request: &Json) -> Result {
        let id = json::request_id(request)?
            .ok_or_else(|| Failure::Invalid("a request id is required".to_owned()))?;
        let options = json::read_options(&request["read"])?;
        let outcome = self
            .client(request)?
            .write_outcome(text(request, "bucket"), bytes(request, "key")?, id, options)
            .await?;
        Ok(match outcome {
            WriteOutcome::Applied { dot, context } => json!({
                "outcome": "APPLIED",
                "dot": json::dot_json(dot),
                "context": json::context_json(&context),
            }),
            WriteOutcome::NotSeen { context } => json!({
                "outcome": "NOT_SEEN",
                "context": json::context_json(&context),
            }),
        })
    }

    async fn placement(&self, request: &Json) -> Result {
        let client = self.client(request)?;
        let mut homes = Vec::new();
        let mut tokens = Vec::new();
        for (bucket, key) in keys(request)? {
            let token = Placement::token(&bucket, &key);
            let placement = client.placement(&bucket).await?;
            homes.push(placement.homes(token).collect());
            tokens.push(format!("{token:016x}"));
        }
        let homes: Vec<Json> = homes;
        Ok(json!({ "homes": homes, "tokens": tokens }))
    }

    async fn pipelined(&self, request: &Json) -> Result {
        let pipeline = find(&self.pipelines, request, "pipeline")?;
        let mut running = JoinSet::new();
        let operations = request["operations"].as_array().cloned();
        for (index, operation) in operations.into_iter().flatten().enumerate() {
            let pipeline = pipeline.clone();
            running.spawn(async move {
                let (op, fields) = only_field(&operation);
                (index, stateless(&pipeline, op, fields).await)
            });
        }
        let mut results = running.join_all().await;
        results.sort_by_key(|(index, _)| *index);
        let results = results.into_iter().map(|(_, result)| result_json(result));
        Ok(json!({ "results": results.collect::<Vec<_>>() }))
    }

    async fn close_pipeline(&self, request: &Json) -> Result {
        find(&self.pipelines, request, "pipeline")?.close().await;
        Ok(json!({}))
    }

    fn client(&self, request: &Json) -> Result<Client> {
        Ok(find(&self.clients, request, "client")?.client)
    }
}

// ---- Named things -------------------------------------------------------------------------

fn find<T: Clone>(among: &Mutex<HashMap<String, T>>, request: &Json, kind: &str) -> Result<T> {
    let name = text(request, kind);
    let found = among.lock().expect("not poisoned").get(name).cloned();
    found.ok_or_else(|| Failure::Unknown(format!("there is no {kind} {name:?}")))
}

fn name<T>(among: &Mutex<HashMap<String, T>>, request: &Json, kind: &str, one: T) {
    let name = text(request, kind).to_owned();
    among.lock().expect("not poisoned").insert(name, one);
}

fn in_flight(request: &Json) -> Option<usize> {
    request["inFlight"]
        .as_u64()
        .and_then(|count| usize::try_from(count).ok())
}

// ---- Operations on one key ----------------------------------------------------------------

/// A client or a pipeline, whose operations take the same arguments.
trait KeyOperations: Stateless + Target {
    fn get(&self, bucket: &str, key: Vec<u8>) -> Get<Self>;
    fn put(&self, bucket: &str, key: Vec<u8>, value: Value) -> Put<Self>;
    fn delete(&self, bucket: &str, key: Vec<u8>) -> Delete<Self>;
    fn touch(&self, bucket: &str, key: Vec<u8>, expiry: Expiry) -> Touch<Self>;
}

macro_rules! key_operations {
    ($name:ident) => {
        impl KeyOperations for $name {
            fn get(&self, bucket: &str, key: Vec<u8>) -> Get<Self> {
                $name::get(self, bucket, key)
            }

            fn put(&self, bucket: &str, key: Vec<u8>, value: Value) -> Put<Self> {
                $name::put(self, bucket, key, value)
            }

            fn delete(&self, bucket: &str, key: Vec<u8>) -> Delete<Self> {
                $name::delete(self, bucket, key)
            }

            fn touch(&self, bucket: &str, key: Vec<u8>, expiry: Expiry) -> Touch<Self> {
                $name::touch(self, bucket, key, expiry)
            }
        }
    };
}

key_operations!(Client);
key_operations!(Pipeline);

async fn stateless<T: KeyOperations>(target: &T, op: &str, request: &Json) -> Result {
    let bucket = text(request, "bucket");
    let key = bytes(request, "key")?;
    match op {
        "get" => finish_get(target.get(bucket, key), request).await,
        "put" => {
            let put = target.put(bucket, key, value(request)?);
            finish_put(put_causality(put, request)?, request).await
        }
        "delete" => {
            let delete = target.delete(bucket, key);
            finish_delete(delete_causality(delete, request)?, request).await
        }
        "touch" => {
            let mut touch = target.touch(bucket, key, expiry(request)?);
            if let Some(context) = json::context(request, "context")? {
                touch = touch.context(&context);
            }
            finish_touch(touch, request).await
        }
        op => Err(Failure::Unknown(format!("there is no operation {op}"))),
    }
}

fn put_causality<T: Stateless>(put: Put<T>, request: &Json) -> Result<Put<T>> {
    if let Some(context) = json::context(request, "context")? {
        return Ok(put.context(&context));
    }
    Ok(match &request["blind"] {
        Json::Null => put,
        mode => put.blind(json::blind(mode)?),
    })
}

fn delete_causality<T: Stateless>(delete: Delete<T>, request: &Json) -> Result<Delete<T>> {
    if let Some(context) = json::context(request, "context")? {
        return Ok(delete.context(&context));
    }
    Ok(match &request["blind"] {
        Json::Null => delete,
        mode => delete.blind(json::blind(mode)?),
    })
}

fn put_arguments<T>(mut put: Put<T>, request: &Json) -> Result<Put<T>> {
    match json::expiry(request)? {
        Some(Expiry::After(ttl)) => put = put.ttl(ttl),
        Some(Expiry::At(time)) => put = put.expire_at(time),
        Some(Expiry::Never) | None => {}
    }
    if request["keepExpiry"] == true {
        put = put.keep_expiry();
    }
    if request["write"].is_object() {
        put = put.options(json::write_options(&request["write"])?);
    }
    Ok(put)
}

fn delete_arguments<T>(delete: Delete<T>, request: &Json) -> Result<Delete<T>> {
    Ok(match &request["write"] {
        Json::Null => delete,
        options => delete.options(json::write_options(options)?),
    })
}

async fn finish_get<T: Target>(get: Get<T>, request: &Json) -> Result {
    let get = match &request["read"] {
        Json::Null => get,
        options => get.options(json::read_options(options)?),
    };
    Ok(json::get_json(&get.await?))
}

async fn finish_put<T: Target>(put: Put<T>, request: &Json) -> Result {
    Ok(json::put_json(&put_arguments(put, request)?.await?))
}

async fn finish_delete<T: Target>(delete: Delete<T>, request: &Json) -> Result {
    Ok(json::put_json(&delete_arguments(delete, request)?.await?))
}

async fn finish_touch<T: Target>(touch: Touch<T>, request: &Json) -> Result {
    let touch = match &request["write"] {
        Json::Null => touch,
        options => touch.options(json::write_options(options)?),
    };
    Ok(json::touch_json(&touch.await?))
}

fn value(request: &Json) -> Result<Value> {
    json::value(&request["value"])
}

fn expiry(request: &Json) -> Result<Expiry> {
    json::expiry(request)?.ok_or_else(|| Failure::Invalid("a touch needs an expiry".to_owned()))
}

// ---- Batches and pipelines ----------------------------------------------------------------

fn keys(request: &Json) -> Result<Vec<(String, Vec<u8>)>> {
    let keys = request["keys"].as_array().into_iter().flatten();
    keys.map(|key| Ok((text(key, "bucket").to_owned(), bytes(key, "key")?)))
        .collect()
}

fn mutation(json: &Json) -> Result<Mutation> {
    let (op, fields) = only_field(json);
    let bucket = text(fields, "bucket");
    let key = bytes(fields, "key")?;
    match op {
        "put" => {
            let put = put_causality(Put::of(bucket, key, value(fields)?), fields)?;
            Ok(put_arguments(put, fields)?.into())
        }
        "delete" => {
            let delete = delete_causality(Delete::of(bucket, key), fields)?;
            Ok(delete_arguments(delete, fields)?.into())
        }
        _ => Err(Failure::Unknown(format!("there is no mutation {op:?}"))),
    }
}

/// The name and the value of the one field of an object.
pub(crate) fn only_field(json: &Json) -> (&str, &Json) {
    let mut fields = json.as_object().into_iter().flatten();
    fields
        .next()
        .map_or(("", &Json::Null), |(name, value)| (name.as_str(), value))
}

fn items_json<T>(
    items: Vec<std::result::Result<T, kindred_client::Error>>,
    to_json: fn(&T) -> Json,
) -> Json {
    let results = items.into_iter().enumerate().map(|(index, item)| {
        let mut json = result_json(item.map(|answer| to_json(&answer)).map_err(Failure::from));
        json["index"] = index.into();
        json
    });
    json!({ "results": results.collect::<Vec<_>>() })
}

fn result_json(result: Result) -> Json {
    match result {
        Ok(ok) => json!({ "ok": ok }),
        Err(failure) => json!({ "error": failure.to_json() }),
    }
}
