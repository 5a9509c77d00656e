use super::*;

/// Each row: messages of one cause, and their group. Collected from OpenSearch 2 and 3 and
/// Elasticsearch 7 and 8, from the pipeline and from loads.
const TABLE: &[(&[&str], &str)] = &[
    (
        &[
            "failed to parse field [v] of type [long] in document with id 'd7'. Preview of field's value: 'abc': For input string: \"abc\"",
            "failed to parse field [v] of type [long] in document with id 'it's, another'. Preview of field's value: 'it's': For input string: \"it's\"",
            "failed to parse field [v] of type [long] in document with id '12'. Preview of field's value: '{a=1, b='x'}': For input string: \"7 days\"",
        ],
        "failed to parse field [v] of type [long] in document with id '…'. Preview of field's value: …: For input string: \"…\"",
    ),
    (
        &[
            "[1:6] failed to parse field [v] of type [long] in document with id 'd7'. Preview of field's value: 'abc': For input string: \"abc\"",
            "[3:1066] failed to parse field [v] of type [long] in document with id 'x'. Preview of field's value: 'def': For input string: \"def\"",
        ],
        "[N:N] failed to parse field [v] of type [long] in document with id '…'. Preview of field's value: …: For input string: \"…\"",
    ),
    (
        &[
            "failed to parse field [v] of type [integer] in document with id 'a'. Preview of field's value: '99999999999': Value [99999999999] is out of range for an integer",
        ],
        "failed to parse field [v] of type [integer] in document with id '…'. Preview of field's value: …: Value […] is out of range for an integer",
    ),
    (
        &["mapping set to strict, dynamic introduction of [unknown] within [_doc] is not allowed"],
        "mapping set to strict, dynamic introduction of [unknown] within [_doc] is not allowed",
    ),
    (
        &[
            "mapping set to strict, dynamic introduction of [user_17] within [_doc.by] is not allowed",
            "mapping set to strict, dynamic introduction of [user_20381] within [_doc.by] is not allowed",
        ],
        "mapping set to strict, dynamic introduction of [user_N] within [_doc.by] is not allowed",
    ),
    (
        &[
            "[1:10] mapping set to strict, dynamic introduction of [unknown] within [_doc] is not allowed",
            "[1:2071] mapping set to strict, dynamic introduction of [unknown] within [_doc] is not allowed",
        ],
        "[N:N] mapping set to strict, dynamic introduction of [unknown] within [_doc] is not allowed",
    ),
    (
        &[
            "failed to parse field [at] of type [date] in document with id 'd1'. Preview of field's value: 'yesterday': Failed to parse with all enclosed parsers",
            "failed to parse field [at] of type [date] in document with id 'd2'. Preview of field's value: '2020-13-45': Failed to parse with all enclosed parsers",
        ],
        "failed to parse field [at] of type [date] in document with id '…'. Preview of field's value: …: Failed to parse with all enclosed parsers",
    ),
    (
        &[
            "failed to parse date field [2020-13-45] with format [strict_date_optional_time||epoch_millis]",
            "failed to parse date field [tomorrow] with format [strict_date_optional_time||epoch_millis]",
        ],
        "failed to parse date field […] with format [strict_date_optional_time||epoch_millis]",
    ),
    (
        &[
            "failed to parse field [open] of type [boolean] in document with id 'a'. Preview of field's value: 'maybe': Failed to parse value [maybe] as only [true] or [false] are allowed.",
            "failed to parse field [open] of type [boolean] in document with id 'b'. Preview of field's value: 'ja': Failed to parse value [ja] as only [true] or [false] are allowed.",
        ],
        "failed to parse field [open] of type [boolean] in document with id '…'. Preview of field's value: …: Failed to parse value […] as only [true] or [false] are allowed.",
    ),
    (
        &[
            "failed to parse field [ip] of type [ip] in document with id 'a'. Preview of field's value: 'nowhere': 'nowhere' is not an IP string literal.",
        ],
        "failed to parse field [ip] of type [ip] in document with id '…'. Preview of field's value: …: '…' is not an IP string literal.",
    ),
    (
        &[
            "object mapping for [creator] tried to parse field [creator] as object, but found a concrete value",
        ],
        "object mapping for [creator] tried to parse field [creator] as object, but found a concrete value",
    ),
    (
        &[
            "Limit of total fields [1000] has been exceeded",
            "Limit of total fields [50] has been exceeded",
        ],
        "Limit of total fields [N] has been exceeded",
    ),
    (
        &[
            "The number of nested documents has exceeded the allowed limit of [10000]. This limit can be set by changing the [index.mapping.nested_objects.limit] index level setting.",
        ],
        "The number of nested documents has exceeded the allowed limit of [N]. This limit can be set by changing the [index.mapping.nested_objects.limit] index level setting.",
    ),
    (
        &[
            "Document contains at least one immense term in field=\"t\" (whose UTF8 encoding is longer than the max length 32766), all of which were skipped.  Please correct the analyzer to not produce such terms.  The prefix of the first immense term is: '[97, 97, 97]...', original message: bytes can be at most 32766 in length; got 40000",
            "Document contains at least one immense term in field=\"t\" (whose UTF8 encoding is longer than the max length 32766), all of which were skipped.  Please correct the analyzer to not produce such terms.  The prefix of the first immense term is: '[98, 1]...', original message: bytes can be at most 32766 in length; got 51",
        ],
        "Document contains at least one immense term in field=\"t\" (whose UTF8 encoding is longer than the max length N), all of which were skipped.  Please correct the analyzer to not produce such terms.  The prefix of the first immense term is: …, original message: bytes can be at most N in length; got N",
    ),
    (
        &[
            "failed to parse field [place] of type [geo_point]: illegal latitude value [269.983] for place",
            "failed to parse field [place] of type [geo_point]: illegal latitude value [-91] for place",
        ],
        "failed to parse field [place] of type [geo_point]: illegal latitude value […] for place",
    ),
    (
        &[
            "[d7]: version conflict, current version [3] is higher or equal to the one provided [2]",
            "[8f0c9d0e-1111-4a4a-9a9a-0123456789ab]: version conflict, current version [30] is higher or equal to the one provided [2]",
        ],
        "[…]: version conflict, current version [N] is higher or equal to the one provided [N]",
    ),
    (
        &[
            "[d7]: version conflict, required seqNo [12], primary term [1]. current document has seqNo [15] and primary term [1]",
        ],
        "[…]: version conflict, required seqNo […], primary term [N]. current document has seqNo [N] and primary term [N]",
    ),
    (
        &["routing is required for [day-1]/[d7]", "routing is required for [day-1]/[d8]"],
        "routing is required for [day-N]/[dN]",
    ),
    (
        &[
            "failed to parse: [knn_vector] dimension mismatch: expected 3, got 4",
            "failed to parse: [knn_vector] dimension mismatch: expected 3, got 17",
        ],
        "failed to parse: [knn_vector] dimension mismatch: expected N, got N",
    ),
    // The pipeline's own.
    (&["the document has no source"], "the document has no source"),
    (
        &[
            "field `v`: \"abc\" can't become long: not a number",
            "field `v`: \"7a\" can't become long: not a number",
        ],
        "field `v`: \"…\" can't become long: not a number",
    ),
    // Of files.
    (
        &[
            "data.csv:17: the field `id`, which is its id, is empty",
            "more/of them.csv:20481: the field `id`, which is its id, is empty",
        ],
        "the field `id`, which is its id, is empty",
    ),
    (
        &[
            "data.csv:17: 3 values in a row of 4 columns",
            "data.csv:18: 9 values in a row of 4 columns",
        ],
        "N values in a row of N columns",
    ),
    (
        &[
            "a.jsonl:3: failed to parse field [v] of type [long] in document with id 'a.jsonl:3'. Preview of field's value: 'x': For input string: \"x\"",
        ],
        "failed to parse field [v] of type [long] in document with id '…'. Preview of field's value: …: For input string: \"…\"",
    ),
    (&[""], ""),
    (&["['\"["], "['…'"),
];

#[test]
fn messages_of_one_cause_are_one_group() {
    for (messages, expected) in TABLE {
        for message in *messages {
            assert_eq!(group(message), *expected, "{message}");
        }
    }
}

#[test]
fn different_causes_stay_apart() {
    let of = |field: &str, kind: &str| {
        group(&format!(
            "failed to parse field [{field}] of type [{kind}] in document with id 'd7'. Preview of \
             field's value: 'abc'"
        ))
    };
    assert_ne!(of("v", "long"), of("w", "long"));
    assert_ne!(of("v", "long"), of("v", "date"));
}

#[test]
fn a_group_is_short_whatever_the_reason() {
    let long = "wort ".repeat(5000);
    assert!(group(&long).chars().count() <= LONGEST + 1);
    for end in 0..60 {
        let text: String = "[ä'ö\"1]: x:7: 'é".chars().cycle().skip(end).take(end).collect();
        group(&text);
    }
}
