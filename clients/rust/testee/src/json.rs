//! The conformance protocol's JSON for the types of the client: bytes are base64, 64-bit numbers decimal text.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kindred_client::{
    BlindWrite, Code, ConflictMode, ConsistencyLevel, Context, Dot, Durability, Error, ErrorDetail,
    ErrorReason, Expiry, GetResult, Handoff, Outcome, PutResult, ReadOptions, ReadReport,
    RequestId, Stamp, Strength, TouchResult, Value, WriteOptions, WriteReport,
};
use serde_json::{Map, Value as Json, json};

/// Why a request has no result.
pub(crate) enum Failure {
    /// The client failed.
    Client(Error),
    /// The operation was cancelled by dropping its future; this client has no error for that.
    Cancelled { write: bool },
    /// The client's types do not allow the argument.
    Invalid(String),
    /// The protocol has no such request.
    Unknown(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl Failure {
    pub(crate) fn cancelled(request: &Json) -> Self {
        let op = request["op"].as_str().unwrap_or_default();
        Self::Cancelled {
            write: matches!(op, "put" | "delete" | "touch" | "update" | "batchWrite"),
        }
    }

    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Client(error) => error_json(error),
            Self::Cancelled { write } => json!({
                "code": "CANCELLED",
                "message": "cancelled",
                "reason": "",
                "outcome": if *write { "UNKNOWN" } else { "NONE" },
                "safeToRetry": true,
                "hasDetail": false,
            }),
            Self::Invalid(message) => json!({
                "code": "INVALID_ARGUMENT",
                "message": message,
                "reason": "INVALID_REQUEST",
                "outcome": "NOT_APPLIED",
                "safeToRetry": true,
                "attempts": 0,
                "hasDetail": false,
            }),
            Self::Unknown(message) => json!({ "code": "UNIMPLEMENTED", "message": message }),
        }
    }
}

// ---- Arguments ----------------------------------------------------------------------------

pub(crate) fn text<'a>(json: &'a Json, field: &str) -> &'a str {
    json[field].as_str().unwrap_or_default()
}

pub(crate) fn bytes(json: &Json, field: &str) -> Result<Vec<u8>, Failure> {
    BASE64
        .decode(text(json, field))
        .map_err(|error| Failure::Invalid(format!("{field}: {error}")))
}

/// A number, or its decimal text.
pub(crate) fn number(json: &Json, field: &str) -> Result<Option<i64>, Failure> {
    let parsed = match &json[field] {
        Json::Null => return Ok(None),
        Json::String(text) => text.parse().ok(),
        other => other.as_i64(),
    };
    parsed
        .map(Some)
        .ok_or_else(|| Failure::Invalid(format!("{field} is no whole number")))
}

pub(crate) fn context(json: &Json, field: &str) -> Result<Option<Context>, Failure> {
    match json[field] {
        Json::Null => Ok(None),
        _ => Ok(Some(Context::from_bytes(bytes(json, field)?))),
    }
}

pub(crate) fn request_id(json: &Json) -> Result<Option<RequestId>, Failure> {
    match json["requestId"] {
        Json::Null => Ok(None),
        _ => Ok(Some(RequestId::try_from(
            bytes(json, "requestId")?.as_slice(),
        )?)),
    }
}

pub(crate) fn value(json: &Json) -> Result<Value, Failure> {
    let mut value = Value::from(bytes(json, "data")?).with_content_type(text(json, "contentType"));
    for (name, fact) in json["metadata"].as_object().into_iter().flatten() {
        value = value.with_metadata(name, fact.as_str().unwrap_or_default());
    }
    Ok(value)
}

/// The variant of an enum with that name in the proto files, less its prefix.
fn variant<E>(prefix: &str, name: &Json, find: fn(&str) -> Option<E>) -> Result<E, Failure> {
    let name = name.as_str().unwrap_or_default();
    find(&format!("{prefix}_{name}"))
        .ok_or_else(|| Failure::Invalid(format!("there is no {prefix} {name}")))
}

fn level(name: &Json) -> Result<ConsistencyLevel, Failure> {
    variant("CONSISTENCY_LEVEL", name, ConsistencyLevel::from_str_name)
}

pub(crate) fn blind(name: &Json) -> Result<BlindWrite, Failure> {
    variant("BLIND_WRITE", name, BlindWrite::from_str_name)
}

fn strength(json: &Json) -> Result<Option<Strength>, Failure> {
    if !json["consistency"].is_null() {
        return Ok(Some(level(&json["consistency"])?.into()));
    }
    let Some(count) = number(json, "replicas")? else {
        return Ok(None);
    };
    let count = u32::try_from(count)
        .map_err(|_| Failure::Invalid(format!("replicas cannot be {count}")))?;
    Ok(Some(Strength::Replicas(count)))
}

pub(crate) fn read_options(json: &Json) -> Result<ReadOptions, Failure> {
    let mut options = ReadOptions::new();
    if let Some(strength) = strength(json)? {
        options = options.consistency(strength);
    }
    if let Some(context) = context(json, "minContext")? {
        options = options.min_context(context);
    }
    if !json["onConflict"].is_null() {
        let name = &json["onConflict"];
        options = options.on_conflict(variant("CONFLICT_MODE", name, ConflictMode::from_str_name)?);
    }
    if json["omitData"] == true {
        options = options.omit_data();
    }
    let fallback = json["fallback"].as_array().into_iter().flatten();
    Ok(options.fallback(fallback.map(level).collect::<Result<Vec<_>, _>>()?))
}

pub(crate) fn write_options(json: &Json) -> Result<WriteOptions, Failure> {
    let mut options = WriteOptions::new();
    if let Some(strength) = strength(json)? {
        options = options.consistency(strength);
    }
    if !json["handoff"].is_null() {
        let name = &json["handoff"];
        options = options.handoff(variant("HANDOFF", name, Handoff::from_str_name)?);
    }
    if !json["durability"].is_null() {
        let name = &json["durability"];
        options = options.durability(variant("DURABILITY", name, Durability::from_str_name)?);
    }
    if let Some(id) = request_id(json)? {
        options = options.request_id(id);
    }
    Ok(options)
}

pub(crate) fn expiry(json: &Json) -> Result<Option<Expiry>, Failure> {
    if let Some(ms) = number(json, "ttlMs")? {
        let ms = u64::try_from(ms)
            .map_err(|_| Failure::Invalid("a time to live is not negative".to_owned()))?;
        return Ok(Some(Expiry::After(Duration::from_millis(ms))));
    }
    if let Some(ms) = number(json, "expireTimeMs")? {
        let since = Duration::from_millis(ms.unsigned_abs());
        let time = if ms < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(since)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(since)
        };
        let time = time.ok_or_else(|| Failure::Invalid("no such time".to_owned()))?;
        return Ok(Some(Expiry::At(time)));
    }
    Ok((json["never"] == true).then_some(Expiry::Never))
}

// ---- Answers ------------------------------------------------------------------------------

pub(crate) fn context_json(context: &Context) -> Json {
    BASE64.encode(context.as_bytes()).into()
}

pub(crate) fn dot_json(dot: Dot) -> Json {
    json!({
        "replica": dot.replica.to_string(),
        "epoch": dot.epoch,
        "counter": dot.counter.to_string(),
    })
}

pub(crate) fn value_json(value: &Value) -> Json {
    json!({
        "data": BASE64.encode(&value.data),
        "contentType": value.content_type,
        "metadata": value.metadata,
    })
}

fn version_json(value: Option<&Value>, stamp: &Stamp) -> Json {
    let mut json = match value {
        Some(value) => value_json(value),
        None => json!({ "deleted": true }),
    };
    json["dot"] = dot_json(stamp.dot);
    json["clock"] = stamp.clock.entries.iter().copied().map(dot_json).collect();
    json["writtenAtMs"] = time_json(stamp.written_at);
    if let Some(time) = stamp.expire_time {
        json["expireTimeMs"] = time_json(time);
    }
    json
}

fn time_json(time: SystemTime) -> Json {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_millis().to_string().into()
}

fn level_json(level: ConsistencyLevel) -> Json {
    let name = level.as_str_name();
    name.trim_start_matches("CONSISTENCY_LEVEL_").into()
}

fn read_report_json(report: &ReadReport) -> Json {
    json!({
        "achieved": level_json(report.achieved),
        "replicasAsked": report.replicas_asked,
        "replicasAnswered": report.replicas_answered,
        "replicasAgreed": report.replicas_agreed,
        "repairStarted": report.repair_started,
        "coordinator": report.coordinator,
        "topologyEpoch": report.topology_epoch.to_string(),
    })
}

fn write_report_json(report: &WriteReport) -> Json {
    json!({
        "achieved": level_json(report.achieved),
        "acked": report.acked,
        "hinted": report.hinted,
        "synced": report.synced,
        "replayed": report.replayed,
        "coordinator": report.coordinator,
        "topologyEpoch": report.topology_epoch.to_string(),
    })
}

pub(crate) fn get_json(result: &GetResult) -> Json {
    let (state, versions) = match result {
        GetResult::Found(found) => (
            "FOUND",
            vec![version_json(Some(&found.value), &found.stamp)],
        ),
        GetResult::Conflict(conflict) => (
            "CONFLICT",
            conflict
                .versions
                .iter()
                .map(|version| version_json(version.value.as_ref(), &version.stamp))
                .collect(),
        ),
        GetResult::Absent(_) => ("ABSENT", vec![]),
    };
    json!({
        "state": state,
        "versions": versions,
        "context": context_json(result.context()),
        "report": read_report_json(result.report()),
    })
}

pub(crate) fn put_json(result: &PutResult) -> Json {
    json!({
        "context": context_json(&result.context),
        "dot": dot_json(result.dot),
        "versionsHeld": result.versions_held,
        "report": write_report_json(&result.report),
    })
}

pub(crate) fn touch_json(result: &TouchResult) -> Json {
    let mut json = json!({
        "applied": result.is_applied(),
        "context": context_json(&result.context),
    });
    if let Some(report) = &result.report {
        json["report"] = write_report_json(report);
    }
    json
}

fn error_json(error: &Error) -> Json {
    let none = ErrorDetail::default();
    let detail = error.detail().unwrap_or(&none);
    let failures = detail.failures.iter().map(
        |failure| json!({ "nodeId": failure.node_id, "reason": reason_name(failure.reason()) }),
    );
    let mut json = json!({
        "code": code_name(error.code()),
        "message": error.to_string(),
        "reason": reason_name(error.reason()),
        "outcome": match error.outcome() {
            None => "NONE",
            Some(Outcome::NotApplied) => "NOT_APPLIED",
            Some(Outcome::Unknown) => "UNKNOWN",
        },
        "safeToRetry": error.is_safe_to_retry(),
        "attempts": error.attempts(),
        "hasDetail": error.detail().is_some(),
        "required": detail.required,
        "alive": detail.alive,
        "answered": detail.answered,
        "failures": failures.collect::<Vec<_>>(),
        "field": detail.field,
    });
    let mut set = |name: &str, value: Json| {
        json.as_object_mut()
            .unwrap_or(&mut Map::new())
            .insert(name.to_owned(), value)
    };
    if let Some(context) = error.context() {
        set("context", context_json(&context));
    }
    if let Some(after) = error.retry_after() {
        set("retryAfterMs", json!(after.as_millis()));
    }
    if let Some(conflict) = error.conflict() {
        let versions = conflict.versions.iter();
        set("kind", "conflict".into());
        set(
            "versions",
            versions
                .map(|version| version_json(version.value.as_ref(), &version.stamp))
                .collect(),
        );
    }
    json
}

fn reason_name(reason: ErrorReason) -> &'static str {
    match reason {
        ErrorReason::Unspecified => "",
        reason => reason.as_str_name().trim_start_matches("ERROR_REASON_"),
    }
}

fn code_name(code: Code) -> String {
    // Codes print themselves in camel case, and are called by their constants everywhere else.
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_uppercase());
    }
    name
}
