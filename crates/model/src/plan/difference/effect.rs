//! What it means for the values of a field that the target maps it otherwise.
//!
//! The rules are those of the engines: which values a type takes, and how they are found by it. The
//! document itself is kept as it is in any case, unless it is refused.

use serde::Serialize;
use serde_json::Value;

/// What becomes of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Documents with some values are refused: they become dead letters.
    MayBeRefused,
    /// Some values are kept in the document, and not found by.
    NotSearchable,
    /// Values are found, sorted and added up by less of them than there is.
    LessPrecise,
    /// They are found otherwise.
    SearchedOtherwise,
    /// Nothing that is known of.
    AsBefore,
}

impl Effect {
    /// Whether the target takes, or finds, less than the source.
    #[must_use]
    pub fn narrows(self) -> bool {
        self <= Effect::LessPrecise
    }
}

/// An effect, and in words what it is about; empty where there is none.
pub(super) type Told = (Effect, String);

fn told(effect: Effect, why: impl Into<String>) -> Told {
    (effect, why.into())
}

/// What the target's index as a whole lets pass.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leniency {
    /// Values of the wrong form are kept and not indexed.
    pub ignores_malformed: bool,
    /// Neither texts of digits nor fractions are made whole numbers.
    pub strict_numbers: bool,
}

impl Leniency {
    /// That of one field, which may say otherwise than its index.
    pub(super) fn of(self, field: &Value) -> Leniency {
        Leniency {
            ignores_malformed: truth(&field["ignore_malformed"]).unwrap_or(self.ignores_malformed),
            strict_numbers: truth(&field["coerce"]).map_or(self.strict_numbers, |coerce| !coerce),
        }
    }
}

/// A truth value, spelled either way.
pub(super) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(on) => Some(*on),
        Value::String(text) if text == "true" => Some(true),
        Value::String(text) if text == "false" => Some(false),
        _ => None,
    }
}

/// Types that behave alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Text,
    Keyword,
    Constant,
    /// Bits of a whole number with a sign.
    Whole(u32),
    Unsigned,
    /// Whole numbers up to 2 to this are exact.
    Float(u32),
    Scaled,
    Boolean,
    Date,
    DateNanos,
    Ip,
    Object,
    Nested,
    Flat,
    Other,
}

fn family(kind: &str) -> Family {
    match kind {
        "text" | "match_only_text" | "annotated_text" | "search_as_you_type" => Family::Text,
        "keyword" | "wildcard" => Family::Keyword,
        "constant_keyword" => Family::Constant,
        "byte" => Family::Whole(8),
        "short" => Family::Whole(16),
        "integer" => Family::Whole(32),
        "long" => Family::Whole(64),
        "unsigned_long" => Family::Unsigned,
        "half_float" => Family::Float(11),
        "float" => Family::Float(24),
        "double" => Family::Float(53),
        "scaled_float" => Family::Scaled,
        "boolean" => Family::Boolean,
        "date" => Family::Date,
        "date_nanos" => Family::DateNanos,
        "ip" => Family::Ip,
        "object" => Family::Object,
        "nested" => Family::Nested,
        "flattened" | "flat_object" => Family::Flat,
        _ => Family::Other,
    }
}

/// The type of a field as the engines name it.
pub(super) fn kind(field: &Value) -> &str {
    field["type"].as_str().unwrap_or("object")
}

/// Whether a field of this type holds others, each with a mapping of its own.
pub(super) fn is_object(field: &Value) -> bool {
    matches!(family(kind(field)), Family::Object | Family::Nested)
}

/// What becomes of the values of a field of type `from` in the field `to`.
pub(super) fn of_type(from: &str, to: &Value, lenient: Leniency) -> Told {
    let target = family(kind(to));
    let found = between(family(from), target, to, lenient.of(to));
    let forgives = matches!(
        target,
        Family::Whole(_)
            | Family::Unsigned
            | Family::Float(_)
            | Family::Scaled
            | Family::Date
            | Family::DateNanos
            | Family::Ip
    );
    let objects = matches!(family(from), Family::Object | Family::Nested | Family::Flat);
    if found.0 == Effect::MayBeRefused && forgives && !objects && lenient.of(to).ignores_malformed {
        let why = "values that do not fit are kept in the document and not found by";
        return told(Effect::NotSearchable, why);
    }
    found
}

fn between(from: Family, to: Family, field: &Value, lenient: Leniency) -> Told {
    use Family as F;
    match (from, to) {
        (F::Whole(a), F::Whole(b)) if a <= b => told(Effect::AsBefore, ""),
        (F::Whole(_) | F::Unsigned, F::Whole(bits)) => told(Effect::MayBeRefused, beyond(bits)),
        (F::Whole(_), F::Unsigned) => told(Effect::MayBeRefused, "values below 0 are refused"),
        (F::Float(_) | F::Scaled, F::Whole(_) | F::Unsigned) if lenient.strict_numbers => {
            told(Effect::MayBeRefused, "values with a fraction are refused")
        }
        (F::Float(_) | F::Scaled, F::Whole(bits)) => {
            told(Effect::MayBeRefused, format!("{}; fractions are cut off", beyond(bits)))
        }
        (F::Float(_) | F::Scaled, F::Unsigned) => {
            told(Effect::MayBeRefused, "values below 0 are refused; fractions are cut off")
        }
        (_, F::Float(11)) if is_number(from) => {
            told(Effect::MayBeRefused, "values beyond 65,504 are refused; 3 digits are exact")
        }
        (F::Float(a), F::Float(b)) if a <= b => told(Effect::AsBefore, ""),
        (F::Float(_), F::Float(_)) => {
            told(Effect::LessPrecise, "7 digits are exact; values beyond 3.4e38 are refused")
        }
        (F::Whole(bits), F::Float(exact)) if bits <= exact + 1 => told(Effect::AsBefore, ""),
        (F::Whole(_) | F::Unsigned | F::Scaled, F::Float(exact)) => {
            told(Effect::LessPrecise, format!("whole numbers are exact up to 2^{exact} only"))
        }
        (_, F::Scaled) if is_number(from) => {
            told(Effect::LessPrecise, "values are rounded to the scaling factor")
        }
        (F::Boolean | F::Keyword, F::Keyword) | (F::Text, F::Text) => told(Effect::AsBefore, ""),
        (F::Text | F::Other, F::Keyword) => whole_text(field),
        (F::Keyword, F::Text) => {
            told(Effect::SearchedOtherwise, "analysed: found by words, not sorted or counted by")
        }
        (F::Date, F::DateNanos) => {
            told(Effect::MayBeRefused, "dates before 1970 and after 2262 are refused")
        }
        (F::DateNanos, F::Date) => told(Effect::LessPrecise, "milliseconds are kept"),
        (F::Whole(_) | F::Unsigned, F::Date) if takes_numbers(field) => {
            told(Effect::SearchedOtherwise, "numbers are taken as points in time since 1970")
        }
        (F::Object, F::Nested) => {
            told(Effect::SearchedOtherwise, "found by nested queries only, each object a document")
        }
        (F::Nested, F::Object) => {
            told(Effect::SearchedOtherwise, "objects of one list are not told apart any more")
        }
        (F::Object | F::Nested, F::Flat) => {
            told(Effect::SearchedOtherwise, "every value in it is found as a keyword")
        }
        (F::Flat, F::Object | F::Nested) => {
            told(Effect::MayBeRefused, "values in it that do not fit the mapping are refused")
        }
        (F::Object | F::Nested, _) => told(Effect::MayBeRefused, "objects are refused"),
        (_, F::Object | F::Nested | F::Flat) => {
            told(Effect::MayBeRefused, "values that are no objects are refused")
        }
        (F::Flat | F::Other, _) | (_, F::Other) => {
            told(Effect::MayBeRefused, "values that do not fit the new type are refused")
        }
        (_, F::Constant) => told(Effect::MayBeRefused, "all values but one are refused"),
        (F::Constant, F::Keyword) => told(Effect::AsBefore, ""),
        (_, F::Keyword | F::Text) if is_number(from) => {
            told(Effect::SearchedOtherwise, "ranges and sorts compare digits, not numbers")
        }
        (_, F::Keyword | F::Text) => {
            told(Effect::SearchedOtherwise, "ranges and sorts compare texts")
        }
        (_, F::Boolean) => {
            told(Effect::MayBeRefused, "values other than true and false are refused")
        }
        (_, F::Date | F::DateNanos) => {
            told(Effect::MayBeRefused, "values that are no dates of its format are refused")
        }
        (_, F::Ip) => told(Effect::MayBeRefused, "values that are no addresses are refused"),
        (_, F::Whole(_) | F::Unsigned | F::Float(_) | F::Scaled) => {
            told(Effect::MayBeRefused, "values that are no numbers are refused")
        }
    }
}

fn is_number(family: Family) -> bool {
    use Family as F;
    matches!(family, F::Whole(_) | F::Unsigned | F::Float(_) | F::Scaled)
}

fn beyond(bits: u32) -> String {
    let most = match bits {
        8 => "127",
        16 => "32,767",
        32 => "2,147,483,647",
        _ => "9,223,372,036,854,775,807",
    };
    format!("values beyond {most} are refused")
}

/// The longest text that is indexed as a whole, in bytes; longer ones are refused.
const LONGEST_TERM: &str = "32,766";

fn whole_text(field: &Value) -> Told {
    if kind(field) == "wildcard" {
        return told(Effect::SearchedOtherwise, "found as a whole or by wildcards, not by words");
    }
    match field["ignore_above"].as_u64() {
        Some(limit) => told(
            Effect::SearchedOtherwise,
            format!("found as a whole and not by words; not at all if longer than {limit}"),
        ),
        None => told(
            Effect::MayBeRefused,
            format!("texts over {LONGEST_TERM} bytes are refused; found as a whole, not by words"),
        ),
    }
}

/// The format of dates without one.
const DATE_FORMAT: &str = "strict_date_optional_time||epoch_millis";

fn format_of(field: &Value) -> &str {
    field["format"].as_str().unwrap_or(DATE_FORMAT)
}

fn takes_numbers(field: &Value) -> bool {
    format_of(field).split("||").any(|format| format.starts_with("epoch_"))
}

/// What it means that the parameter `name` of a field is another one; its type is the same.
pub(super) fn of_parameter(name: &str, from: &Value, to: &Value) -> Told {
    let (was, is) = (&from[name], &to[name]);
    let on = |value: &Value, default: bool| truth(value).unwrap_or(default);
    match name {
        "analyzer" | "search_analyzer" | "search_quote_analyzer" => {
            told(Effect::SearchedOtherwise, "texts are taken apart otherwise")
        }
        "normalizer" => told(Effect::SearchedOtherwise, "values are made alike otherwise"),
        "format" => {
            let new: Vec<_> = format_of(to).split("||").collect();
            match format_of(from).split("||").all(|old| new.contains(&old)) {
                true => told(Effect::AsBefore, ""),
                false => told(
                    Effect::MayBeRefused,
                    "dates in a form that only the old one takes are refused",
                ),
            }
        }
        "index" | "enabled" if on(was, true) && !on(is, true) => {
            told(Effect::NotSearchable, "kept in the document and not found by")
        }
        "enabled" => told(Effect::MayBeRefused, "what is in it was not looked into before"),
        "doc_values" if on(was, true) && !on(is, true) => {
            told(Effect::SearchedOtherwise, "not sorted or counted by any more")
        }
        "ignore_above" => match (was.as_u64(), is.as_u64()) {
            (Some(_), None) => {
                told(Effect::MayBeRefused, format!("values over {LONGEST_TERM} bytes are refused"))
            }
            (was, Some(is)) if was.is_none_or(|was| was > is) => {
                told(Effect::NotSearchable, format!("values longer than {is} are not found"))
            }
            _ => told(Effect::AsBefore, ""),
        },
        "ignore_malformed" if on(was, false) && !on(is, false) => {
            told(Effect::MayBeRefused, "values of the wrong form are refused")
        }
        "coerce" if on(was, true) && !on(is, true) => {
            told(Effect::MayBeRefused, "numbers as texts, and fractions, are refused")
        }
        "dimension" | "dims" => told(Effect::MayBeRefused, "vectors of another length are refused"),
        "scaling_factor" if was.as_f64() > is.as_f64() => {
            told(Effect::LessPrecise, "values are rounded to fewer digits")
        }
        "dynamic" => of_dynamic(was, is),
        "index_options" | "similarity" | "term_vector" | "null_value" | "copy_to" => {
            told(Effect::SearchedOtherwise, "")
        }
        _ => told(Effect::AsBefore, ""),
    }
}

/// What it means that fields which no mapping knows are taken otherwise.
pub(super) fn of_dynamic(from: &Value, to: &Value) -> Told {
    let word = |value: &Value| match truth(value) {
        Some(on) => on.to_string(),
        None => value.as_str().unwrap_or("true").to_owned(),
    };
    match (word(from).as_str(), word(to).as_str()) {
        // All that the documents hold is mapped, and told field by field.
        ("true" | "runtime", "strict") => {
            told(Effect::SearchedOtherwise, "a document with a new field is refused from then on")
        }
        (_, "strict") => told(
            Effect::MayBeRefused,
            "documents with fields that the target does not map are refused; which ones, \
             `segue run --dry-run` finds out",
        ),
        (_, "false") => told(Effect::SearchedOtherwise, "new fields are kept and not found by"),
        _ => told(Effect::SearchedOtherwise, "new fields are mapped by what they hold first"),
    }
}
