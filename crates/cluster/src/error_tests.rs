use super::*;

fn status(status: u16, body: &str) -> Error {
    let call = Box::new(Call { method: "PUT".into(), path: "/a/_doc/1?refresh=true".into() });
    Error::Status { call, status, answer: Box::new(EngineError::parse(body.as_bytes())) }
}

const BLOCK: &str = r#"{"error":{"root_cause":[{"type":"cluster_block_exception","reason":"index [a] blocked by: [FORBIDDEN/8/index write (api)];"}],"type":"cluster_block_exception","reason":"index [a] blocked by: [FORBIDDEN/8/index write (api)];"},"status":403}"#;
const FLOOD: &str = r#"{"error":{"root_cause":[],"type":"cluster_block_exception","reason":"index [a] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];"},"status":429}"#;
const SECURITY: &str = r#"{"error":{"root_cause":[{"type":"security_exception","reason":"no permissions for [indices:data/write/index]"}],"type":"security_exception","reason":"no permissions for [indices:data/write/index]"},"status":403}"#;
const EXISTS: &str = r#"{"error":{"root_cause":[{"type":"resource_already_exists_exception","reason":"index [a/uuid] already exists"}],"type":"resource_already_exists_exception","reason":"index [a/uuid] already exists"},"status":400}"#;

#[test]
fn refusals_are_classed() {
    for (code, body, class, name) in [
        (403, BLOCK, Class::WriteBlocked, "SEG-C015"),
        (429, FLOOD, Class::Throttled, "SEG-C011"),
        (403, SECURITY, Class::Forbidden, "SEG-C016"),
        (401, "Unauthorized", Class::Forbidden, "SEG-C016"),
        (403, "<html>forbidden by proxy</html>", Class::Forbidden, "SEG-C016"),
        (400, EXISTS, Class::Refused, "SEG-C010"),
        (404, "{}", Class::NotFound, "SEG-C013"),
        (409, "{}", Class::Conflict, "SEG-C014"),
        (413, "", Class::Refused, "SEG-C010"),
        (500, "", Class::MaybeApplied, "SEG-C010"),
        (502, "", Class::Unavailable, "SEG-C012"),
        (503, "", Class::Unavailable, "SEG-C012"),
        (504, "", Class::Unavailable, "SEG-C012"),
    ] {
        let error = status(code, body);
        assert_eq!((error.class(), error.code(), error.status()), (class, name, Some(code)));
    }
}

#[test]
fn one_sentence_names_the_request() {
    let error = status(400, EXISTS);
    assert_eq!(error.error_type(), Some("resource_already_exists_exception"));
    assert_eq!(
        error.to_string(),
        "PUT /a/_doc/1?refresh=true: 400: resource_already_exists_exception: index [a/uuid] already exists"
    );
}

#[test]
fn an_unconfirmed_change_may_have_been_made() {
    let call = Box::new(Call { method: "POST".into(), path: "/_aliases".into() });
    let error = Error::Unacknowledged { call, what: "two nodes".into() };
    assert_eq!(error.class(), Class::MaybeApplied);
}
