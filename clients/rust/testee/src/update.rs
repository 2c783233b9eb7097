//! Updates: the functions and the resolvers that cases name.

use std::collections::BTreeSet;
use std::future::IntoFuture;

use kindred_client::{Change, Error, Update, Updated, Value, last_writer, union};
use serde_json::{Value as Json, json};

use crate::json::{self, Failure, text};
use crate::operations::{Result, only_field};

pub(crate) async fn carry_out<T, F>(mut update: Update<T, F>, request: &Json) -> Result
where
    Update<T, F>: IntoFuture<Output = std::result::Result<Updated, Error>>,
{
    if request["read"].is_object() {
        update = update.read_options(json::read_options(&request["read"])?);
    }
    if request["write"].is_object() {
        update = update.write_options(json::write_options(&request["write"])?);
    }
    let updated = match text(request, "resolver") {
        "union" => {
            update
                .resolver(union(items, |all| from_items(&all)))
                .await?
        }
        "lastWriter" => update.resolver(last_writer).await?,
        _ => update.await?,
    };
    let mut json = json!({
        "context": json::context_json(&updated.context),
        "versionsHeld": updated.versions_held,
    });
    if let Some(value) = &updated.value {
        json["value"] = json::value_json(value);
    }
    Ok(json)
}

pub(crate) fn change(
    request: &Json,
) -> Result<impl FnMut(Option<&Value>) -> Change + Send + 'static> {
    let (name, argument) = only_field(&request["fn"]);
    let argument = argument.as_str().unwrap_or_default().to_owned();
    let function: fn(Option<&Value>, &str) -> Change = match name {
        "append" => |current, text| {
            let mut data = current.map_or_else(Vec::new, |value| value.data.to_vec());
            data.extend_from_slice(text.as_bytes());
            Value::from(data).into()
        },
        "add" => |current, item| {
            let mut set = current.map_or_else(BTreeSet::new, items);
            set.insert(item.to_owned());
            from_items(&set).into()
        },
        "keep" => |_, _| Change::Keep,
        _ => return Err(Failure::Unknown(format!("there is no function {name:?}"))),
    };
    Ok(move |current: Option<&Value>| function(current, &argument))
}

/// A JSON array of texts; anything else counts as empty.
fn items(value: &Value) -> BTreeSet<String> {
    serde_json::from_slice(&value.data).unwrap_or_default()
}

fn from_items(items: &BTreeSet<String>) -> Value {
    json!(items).to_string().into()
}
