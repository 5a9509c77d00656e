//! The steps of the pipeline.

use serde_json::{Value, json};

use super::super::read_step::MAX_ROWS;
use super::super::read_values::MOST_CHARACTERS;
use super::super::{ColumnType, ConvertKind};
use super::count;
use super::words::{
    any_text, boolean, choice, env, exactly, fields, integer, keyed, of, one_of, one_or_more,
    reference, reference_only, scalar, spelled,
};

/// One step: a mapping with one key.
pub(super) fn step() -> Value {
    exactly(
        1,
        keyed(
            "A step: a mapping with exactly one key.",
            &[],
            [
                ("lookup", lookup()),
                ("copy", copy()),
                (
                    "set",
                    fields(
                        "Writes constants: field and value. Values may be lists or objects.",
                        "path",
                        json!({}),
                    ),
                ),
                (
                    "default",
                    fields(
                        "Writes the value where the field is absent or null: field and value.",
                        "path",
                        json!({ "not": { "type": "null" } }),
                    ),
                ),
                (
                    "rename",
                    fields(
                        "Moves fields: old name and new one. Absent: nothing happens. The new name is there already: dead letter.",
                        "path",
                        reference("path", "The new name."),
                    ),
                ),
                ("remove", one_or_more("Takes fields away; `[]` is allowed.", "path_into_lists")),
                ("convert", convert()),
                ("date", date()),
                ("split", split()),
                (
                    "join",
                    fields(
                        "Makes one text of a list: field and what stands between its values.",
                        "path_into_lists",
                        any_text("What stands between the values; may be empty."),
                    ),
                ),
                (
                    "map",
                    fields(
                        "Replaces values by those of a table: field and table.",
                        "path_into_lists",
                        table(),
                    ),
                ),
                (
                    "truncate",
                    fields(
                        "Shortens texts: field and the most characters it keeps.",
                        "path_into_lists",
                        count(
                            "How many characters are kept.",
                            0..=u64::from(MOST_CHARACTERS),
                            None,
                        ),
                    ),
                ),
                ("filter", filter()),
                ("explode", explode()),
                (
                    "id",
                    key_template(
                        "The id of the document that is made: fields in braces. `{_id}` is the id that the document had. Stands last, with `routing`.",
                    ),
                ),
                (
                    "routing",
                    one_of(
                        "The routing of the document that is made: fields in braces, or `none`. Stands last, with `id`.",
                        [json!({ "const": "none" }), key_template("Fields in braces.")],
                    ),
                ),
                (
                    "script",
                    of(
                        "A program in the language Rhai for what the other steps cannot say. `doc` is the document; rows of earlier lookups stand under their names. `throw \"reason\"` makes the document a dead letter. Rhai's own `${…}` is written `$${…}`.",
                        json!({ "type": "string", "pattern": r"\S" }),
                    ),
                ),
            ],
        ),
    )
}

fn lookup() -> Value {
    let mut name =
        of("Name by which later steps call the row; not `doc`.", spelled("^[a-z][a-z0-9_]*$"));
    name["not"] = json!({ "const": "doc" });
    let multiple = keyed(
        "Take several rows as a list. Without it several rows of one key stop the part.",
        &["sort"],
        [
            ("sort", reference("path", "Field of the row to sort by; rows without it come last.")),
            ("order", choice("Which end comes first.", &["asc", "desc"], Some("asc"))),
            ("limit", count("Rows kept per key.", 1..=u64::from(MAX_ROWS), Some(100))),
        ],
    );
    keyed(
        "Finds the row of another index that belongs to the document.",
        &["index", "key", "match", "as"],
        [
            (
                "index",
                reference(
                    "index",
                    "An index, or an unfiltered alias of exactly one; without captures.",
                ),
            ),
            ("key", reference("path", "Field of the document that holds the key.")),
            (
                "match",
                reference(
                    "path",
                    "Field of the row that must be equal to it; a number and a text with the same digits are equal.",
                ),
            ),
            ("as", name),
            (
                "as_of",
                choice(
                    "Which state of the rows counts: as they are at the start of the migration's first run.",
                    &["start"],
                    Some("start"),
                ),
            ),
            (
                "on_missing",
                choice(
                    "What happens to a document without a row: it goes on, becomes a dead letter, or is left out.",
                    &["keep", "dead_letter", "filter"],
                    Some("keep"),
                ),
            ),
            ("multiple", multiple),
        ],
    )
}

fn copy() -> Value {
    let from = |description| one_or_more(description, "path_into_lists");
    let field = keyed(
        "Where the value comes from, and what of it is kept.",
        &["from"],
        [
            (
                "from",
                from(
                    "Path that begins with a lookup's name or with `doc`, or a list of such paths, which gives one list with all values.",
                ),
            ),
            (
                "pick",
                one_or_more("Members to keep of each copied object. Without it: all.", "path"),
            ),
            (
                "default",
                of(
                    "What is written when there is nothing to copy; without it null, or an empty list for lists.",
                    json!({}),
                ),
            ),
        ],
    );
    fields(
        "Copies values into fields: field to write, and where from. From is a path that begins with a lookup's name or with `doc`, a list of such paths, or a mapping.",
        "path",
        one_of("Where the value comes from.", [from("A path, or a list of paths."), field]),
    )
}

fn convert() -> Value {
    let names = ConvertKind::NAMES.map(|(name, _)| name);
    fields(
        "Changes the type of values, exactly or not at all: field and type. What can't be converted is a dead letter.",
        "path_into_lists",
        choice("The new type.", &names, None),
    )
}

/// Types of columns, as `columns` takes them.
pub(super) fn column() -> Value {
    let names = ColumnType::ALL.map(ColumnType::name);
    choice("Type of the column.", &names, None)
}

/// Letters that stand for something, text in quotes, and anything but letters.
const FORMAT: &str = r"^(yyyy|uuuu|M{1,4}|d{1,2}|E{1,4}|HH?|hh?|a|mm|ss|S{1,9}|XXX?|xxx?|Z{1,3}|'([^']|'')*'|[^A-Za-z'])+$";

fn format() -> Value {
    let words = ["iso", "strict_date_optional_time", "epoch_millis", "epoch_second"];
    let mut schema = one_of(
        "`iso`, `epoch_millis`, `epoch_second`, or a pattern such as dd.MM.yyyy.",
        [json!({ "enum": words }), json!({ "type": "string", "pattern": FORMAT }), env()],
    );
    schema["type"] = json!("string");
    schema
}

fn date() -> Value {
    let zone = |description: &str| {
        let mut schema =
            of(description, spelled(r"^(UTC|utc|Z|z|[+-](0[0-9]|1[0-8])(:?[0-5][0-9])?)$"));
        schema["default"] = json!("UTC");
        schema
    };
    let list = json!({ "type": "array", "minItems": 1, "items": format() });
    let mut to = format();
    to["default"] = json!("iso");
    let rule = keyed(
        "How a point in time is read and written.",
        &["from"],
        [
            (
                "from",
                one_of(
                    "Format of the value, or a list of formats: the first that fits counts.",
                    [format(), list],
                ),
            ),
            ("to", of("Format in which it is written.", to)),
            (
                "zone",
                zone("Offset that holds for a value that states none: UTC, or such as +02:00."),
            ),
            ("to_zone", zone("Offset in which it is written: UTC, or such as +02:00.")),
        ],
    );
    fields(
        "Rewrites points in time: field and formats. A value that fits none is a dead letter.",
        "path_into_lists",
        rule,
    )
}

fn split() -> Value {
    let separator =
        |description: &str| json!({ "description": description, "type": "string", "minLength": 1 });
    let rule = keyed(
        "Where the text is split, and what becomes of the parts.",
        &["by"],
        [
            ("by", separator("What stands between the parts.")),
            ("trim", boolean("Whether white space around the parts is taken away.", false)),
            ("skip_empty", boolean("Whether empty parts are left out.", false)),
        ],
    );
    fields(
        "Makes a list of a text's parts: field and what stands between them.",
        "path_into_lists",
        one_of(
            "What stands between the parts, or a mapping.",
            [separator("What stands between the parts."), rule],
        ),
    )
}

fn table() -> Value {
    let values = json!({
        "description": "Old values and new ones; a number and a text with the same digits are equal.",
        "type": "object",
        "minProperties": 1,
    });
    let mut schema = keyed(
        "Old values and new ones, and what becomes of others.",
        &["values"],
        [
            ("values", values),
            ("default", of("What a value becomes that the table doesn't have.", json!({}))),
            (
                "otherwise",
                choice(
                    "What happens to a value that the table doesn't have: dead letter, or it stays.",
                    &["dead_letter", "keep"],
                    Some("dead_letter"),
                ),
            ),
        ],
    );
    schema["not"] = json!({ "required": ["default", "otherwise"] });
    schema
}

fn explode() -> Value {
    keyed(
        "Makes one document of each value of a list. Needs an `id` at the end of the pipeline.",
        &["field"],
        [
            (
                "field",
                reference("path", "The field that holds the list. It is gone from what is made."),
            ),
            ("as", reference("path", "The field that takes the value; by default the same.")),
            (
                "on_empty",
                choice(
                    "What happens to a document without any value there: it is left out, or becomes a dead letter.",
                    &["filter", "dead_letter"],
                    Some("filter"),
                ),
            ),
        ],
    )
}

/// A text with at least one pair of braces.
fn key_template(description: &str) -> Value {
    of(description, spelled(r"^[^{}]*\{[^{}]+\}.*$"))
}

fn filter() -> Value {
    let test = |description: &str| {
        exactly(
            2,
            keyed(
                description,
                &["field"],
                [
                    (
                        "field",
                        reference(
                            "path_into_lists",
                            "The field that is tested. A list satisfies a test if one of its values does.",
                        ),
                    ),
                    ("equals", scalar("The value must be equal to this.")),
                    (
                        "in",
                        json!({ "description": "The value must be equal to one of these.", "type": "array", "items": scalar("A value.") }),
                    ),
                    (
                        "exists",
                        boolean(
                            "`true`: the field is there and not null. `false`: it is not.",
                            true,
                        ),
                    ),
                    (
                        "missing",
                        boolean("`true`: the field is absent or null. `false`: it is there.", true),
                    ),
                ],
            ),
        )
    };
    exactly(
        2,
        keyed(
            "Leaves documents out, counted under the reason.",
            &["reason"],
            [
                ("drop_if", test("Documents that satisfy this are left out.")),
                ("keep_if", test("Documents that don't satisfy this are left out.")),
                ("reason", any_text("The reason under which they are counted.")),
            ],
        ),
    )
}

/// A path, or a list of them, to files.
pub(super) fn files(description: &str) -> Value {
    let path = json!({ "type": "string", "pattern": r"\S" });
    let list = json!({ "type": "array", "minItems": 1, "items": path });
    one_of(description, [path, list])
}

/// What a document of a file is called.
pub(super) fn id() -> Value {
    let paths = json!({
        "description": "The fields, joined with `/`.",
        "type": "array",
        "minItems": 1,
        "items": reference_only("path"),
    });
    let by_fields = keyed("What the fields say.", &["fields"], [("fields", paths)]);
    let mut schema = one_of(
        "What a document is called: the file's path and the record's number in it, a hash of the record, or what fields say.",
        [json!({ "enum": ["position", "content"] }), env(), by_fields],
    );
    schema["default"] = json!("position");
    schema
}

/// Speed: no bound, or documents a second.
pub(super) fn batches() -> Value {
    let mut schema = one_of(
        "Bulk requests that `run`, `verify` and `cutover` send before they stop with exit code 5; a later run goes on from there.",
        [json!({ "enum": ["all"] }), integer(1..=u64::MAX), env()],
    );
    schema["default"] = json!("all");
    schema
}

pub(super) fn speed() -> Value {
    let mut schema = one_of(
        "Most documents a second written, over all parts; `auto` sets no bound.",
        [json!({ "enum": ["auto"] }), integer(1..=u64::MAX), env()],
    );
    schema["default"] = json!("auto");
    schema
}
