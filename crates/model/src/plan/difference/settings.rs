//! Settings that differ.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::SettingChange;
use super::effect::{Effect, Leniency, truth};
use crate::observe::SeenIndex;
use crate::plan::target::copied_settings;

/// Set by the engine itself, where nobody states it.
const ENGINES_OWN: &str = "index.routing.allocation.include._tier_preference";

/// Every setting that would be copied and is another one in the target, by name.
pub(super) fn changes(source: &SeenIndex, target: &Map<String, Value>) -> Vec<SettingChange> {
    let of_source = copied_settings(source);
    let names: BTreeSet<_> = of_source.keys().chain(target.keys()).collect();
    let mut changes = Vec::new();
    for name in names {
        let (from, to) = (of_source.get(name).map(text), target.get(name).map(text));
        if from == to || name == ENGINES_OWN && to.is_none() {
            continue;
        }
        let (effect, why) = effect(name, from.as_deref(), to.as_deref());
        changes.push(SettingChange { setting: name.clone(), from, to, effect, why });
    }
    changes
}

/// A value as the engines print it: they show numbers and truth values as texts.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn effect(name: &str, from: Option<&str>, to: Option<&str>) -> (Effect, &'static str) {
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
    match name {
        "index.mapping.ignore_malformed" if from == Some("true") => {
            (Effect::MayBeRefused, "values of the wrong form are refused")
        }
        "index.mapping.coerce" if to == Some("false") => {
            (Effect::MayBeRefused, "numbers as texts, and fractions, are refused")
        }
        _ if name.starts_with("index.mapping.") && name.ends_with(".limit") => {
            // Without one the engine has its own, which nobody who raised it wants back.
            if number(from) > number(to) {
                (Effect::MayBeRefused, "documents beyond the limit are refused")
            } else {
                (Effect::AsBefore, "")
            }
        }
        _ if name.starts_with("index.analysis.") => {
            (Effect::SearchedOtherwise, "texts are taken apart otherwise")
        }
        _ if name.starts_with("index.similarity.") => {
            (Effect::SearchedOtherwise, "hits are ranked otherwise")
        }
        _ => (Effect::AsBefore, ""),
    }
}

/// What an index of these settings lets pass.
pub(super) fn leniency(settings: &Map<String, Value>) -> Leniency {
    let on = |name: &str| settings.get(name).and_then(truth);
    Leniency {
        ignores_malformed: on("index.mapping.ignore_malformed").unwrap_or(false),
        strict_numbers: on("index.mapping.coerce") == Some(false),
    }
}
