use std::collections::BTreeSet;

use crate::{Value, Version};

/// Makes the versions of a key that raced into one.
///
/// Every closure `Fn(&[Version]) -> Option<Value>` is one. It is given at least two versions, sorted by dot, deletions
/// among them; `None` deletes the key. Two clients may resolve the same conflict at the same time, and each other's
/// results in turn, so the result should depend neither on the order nor on the grouping of the versions.
///
/// ```
/// use kindred_client::{Resolver, Value, Version};
///
/// /// Keeps the longest.
/// fn longest(versions: &[Version]) -> Option<Value> {
///     let values = versions.iter().filter_map(|version| version.value.as_ref());
///     values.max_by_key(|value| (value.data.len(), &value.data)).cloned()
/// }
/// # fn takes(_: impl Resolver) {}
/// # takes(longest);
/// ```
pub trait Resolver: Send + Sync + 'static {
    /// The one value that stands for all of them, or `None` to delete the key.
    fn resolve(&self, versions: &[Version]) -> Option<Value>;
}

impl<F> Resolver for F
where
    F: Fn(&[Version]) -> Option<Value> + Send + Sync + 'static,
{
    fn resolve(&self, versions: &[Version]) -> Option<Value> {
        self(versions)
    }
}

/// Keeps the version written last, by the clocks of the nodes; ties by dot. The other writes are lost.
#[must_use]
pub fn last_writer(versions: &[Version]) -> Option<Value> {
    versions
        .iter()
        .max_by_key(|version| (version.stamp.written_at, version.stamp.dot))?
        .value
        .clone()
}

/// Keeps what any version holds, where values are sets in some encoding. Deletions count as empty; an element that one
/// writer removed comes back if another, who raced, still had it.
///
/// ```
/// use std::collections::BTreeSet;
///
/// use kindred_client::{Value, union};
///
/// let carts = union(
///     |value: &Value| -> BTreeSet<String> {
///         let text = String::from_utf8_lossy(&value.data);
///         text.lines().map(str::to_owned).collect()
///     },
///     |items: BTreeSet<String>| Vec::from_iter(items).join("\n").into(),
/// );
/// # fn takes(_: impl kindred_client::Resolver) {}
/// # takes(carts);
/// ```
pub fn union<T, D, E>(decode: D, encode: E) -> impl Resolver
where
    T: Ord,
    D: Fn(&Value) -> BTreeSet<T> + Send + Sync + 'static,
    E: Fn(BTreeSet<T>) -> Value + Send + Sync + 'static,
{
    move |versions: &[Version]| {
        let values = versions.iter().filter_map(|version| version.value.as_ref());
        Some(encode(values.flat_map(&decode).collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::{Dot, Stamp, VectorClock};

    fn version(value: Option<&str>, written_at_s: u64, replica: u64) -> Version {
        Version {
            value: value.map(Value::from),
            stamp: Stamp {
                dot: Dot {
                    replica,
                    epoch: 1,
                    counter: 1,
                },
                clock: VectorClock::default(),
                written_at: SystemTime::UNIX_EPOCH + Duration::from_secs(written_at_s),
                expire_time: None,
            },
        }
    }

    #[test]
    fn the_last_writer_wins_and_the_dot_breaks_ties() {
        let early = version(Some("early"), 1, 9);
        let late = version(Some("late"), 2, 1);
        let tie = version(Some("tie"), 2, 2);
        assert_eq!(
            last_writer(&[early.clone(), late.clone()]),
            Some("late".into())
        );
        assert_eq!(
            last_writer(&[tie.clone(), late.clone(), early]),
            Some("tie".into())
        );
        assert_eq!(last_writer(&[late, tie, version(None, 3, 1)]), None);
    }

    #[test]
    fn a_union_keeps_what_any_version_holds() {
        let letters = union(
            |value: &Value| value.data.iter().copied().collect(),
            |letters: BTreeSet<u8>| Value::new(Vec::from_iter(letters)),
        );
        let versions = [
            version(Some("ca"), 1, 1),
            version(None, 2, 2),
            version(Some("ab"), 3, 3),
        ];
        assert_eq!(letters.resolve(&versions), Some("abc".into()));
        assert_eq!(letters.resolve(&versions[1..2]), Some("".into()));
    }
}
