//! What a document is, as 128 bits.

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

/// The hash over id, routing and content by which documents are compared.
pub(crate) fn fingerprint(id: &str, routing: Option<&str>, source: &[u8]) -> u128 {
    // A routing of "" cannot exist; no routing must differ from every routing.
    let seed = routing.map_or(1, |routing| xxh3_64_with_seed(routing.as_bytes(), 2));
    xxh3_128_with_seed(source, xxh3_64_with_seed(id.as_bytes(), seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_routing_and_content_all_count() {
        let base = fingerprint("a", None, b"{}");
        assert_eq!(base, fingerprint("a", None, b"{}"));
        for other in [
            fingerprint("b", None, b"{}"),
            fingerprint("a", Some("a"), b"{}"),
            fingerprint("a", None, b"{ }"),
        ] {
            assert_ne!(base, other);
        }
    }
}
