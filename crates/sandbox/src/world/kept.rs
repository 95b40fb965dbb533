//! How a snapshot writes what JSON has no form for.

/// A map whose keys are no texts: a list of pairs.
pub(crate) mod pairs {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub(crate) fn serialize<K, V, S>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
    where
        K: Serialize,
        V: Serialize,
        S: Serializer,
    {
        serializer.collect_seq(map)
    }

    pub(crate) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Vec::deserialize(deserializer).map(BTreeMap::from_iter)
    }
}

/// Bytes as base64.
pub(crate) mod base64 {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<B, S>(bytes: &B, serializer: S) -> Result<S::Ok, S::Error>
    where
        B: AsRef<[u8]>,
        S: Serializer,
    {
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, B, D>(deserializer: D) -> Result<B, D::Error>
    where
        B: TryFrom<Vec<u8>>,
        D: Deserializer<'de>,
    {
        let bytes = BASE64_STANDARD.decode(String::deserialize(deserializer)?).map_err(Error::custom)?;
        B::try_from(bytes).map_err(|_| Error::custom("base64 of another length"))
    }
}
