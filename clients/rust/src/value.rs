use std::collections::BTreeMap;

use bytes::Bytes;

use crate::proto;

/// What is stored under a key: bytes, what they are, and small facts about them.
///
/// Made from anything that is bytes or text:
///
/// ```
/// use kindred_client::Value;
///
/// let plain = Value::from("milk");
/// let described = Value::from(r#"["milk"]"#)
///     .with_content_type("application/json")
///     .with_metadata("written-by", "checkout");
/// assert_eq!(plain.data, "milk");
/// assert_eq!(described.metadata["written-by"], "checkout");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// The content: any bytes, at most 1 MiB unless the bucket says less.
    pub data: Bytes,
    /// What the content is, for example `application/json`. Kept and returned, never interpreted.
    pub content_type: String,
    /// Kept and returned, never interpreted. Names, values and the content type together: at most 4 KiB.
    pub metadata: BTreeMap<String, String>,
}

impl Value {
    /// A value without content type and metadata.
    pub fn new(data: impl Into<Bytes>) -> Self {
        Self {
            data: data.into(),
            ..Self::default()
        }
    }

    /// Says what the content is.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = content_type.into();
        self
    }

    /// Adds one fact about the content.
    #[must_use]
    pub fn with_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }
}

impl From<Bytes> for Value {
    fn from(data: Bytes) -> Self {
        Self::new(data)
    }
}

impl From<Vec<u8>> for Value {
    fn from(data: Vec<u8>) -> Self {
        Self::new(data)
    }
}

impl From<&[u8]> for Value {
    fn from(data: &[u8]) -> Self {
        Self::new(Bytes::copy_from_slice(data))
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(data: &[u8; N]) -> Self {
        data.as_slice().into()
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<proto::Value> for Value {
    fn from(value: proto::Value) -> Self {
        Self {
            data: value.data,
            content_type: value.content_type,
            metadata: value.metadata,
        }
    }
}

impl From<Value> for proto::Value {
    fn from(value: Value) -> Self {
        Self {
            data: value.data,
            content_type: value.content_type,
            metadata: value.metadata,
        }
    }
}
