//! A recipe: what the user wants, read from YAML and checked before anything else happens.
//!
//! [`Recipe::parse`] is pure: text, `--set` values and a way to look up environment variables go
//! in, a [`Recipe`] or one [`Error`] with file, line, column and hint comes out. A recipe says
//! intent only; which indices exist and what they are called is found out by the plan.
//!
//! | noun | type |
//! | --- | --- |
//! | name with captures | [`NamePattern`] |
//! | name made of captures | [`NameTemplate`] |
//! | place in a document | [`Path`] |
//! | step of the pipeline | [`Step`] |
//! | recipe of a roll-up | [`RollupRecipe`] |
//! | recipe of membership | [`MembershipRecipe`] |

mod cluster;
mod cursor;
mod cutover;
mod date;
mod error;
mod expand;
mod files;
mod json;
mod limits;
mod membership;
mod name;
mod node;
mod path;
mod read;
mod read_entities;
mod read_files;
mod read_flat;
mod read_keys;
mod read_membership;
mod read_rollup;
mod read_step;
mod read_values;
mod rollup;
mod schema;
mod show;
mod source;
mod step;
mod step_keys;
mod step_values;
mod units;
mod verify;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use cluster::{AuthRef, ClusterRef, SecretRef, TlsRef};
pub use cutover::{AfterSwitch, CutoverMode, CutoverSpec, CutoverStart, Writers};
pub use date::{DateError, DateFormat, DatePiece, Digits, Letters, Offset};
pub use error::{Error, ErrorKind, nearest};
pub use files::{ColumnType, Duplicates, EmptyCell, FileFormat, FileId, FilesSpec, SwapSpec};
pub use json::Json;
pub use limits::{DocsPerSecond, Limits};
pub use membership::{
    ChangeKeys, EventFields, EventSpec, MemberSource, MembershipLimits, MembershipRecipe,
    MembershipSpec, TemplateSpec,
};
pub use name::{Captures, NameError, NamePattern, NameTemplate};
pub use path::{Path, PathError, Segment};
pub use rollup::{
    Bookmarks, Dimension, Entities, Feed, KeySpec, Members, Metric, NamedMetric, Output, Role,
    RollupLimits, RollupRecipe, RollupSource, RollupSpec, When,
};
pub use schema::{rollup_schema, schema};
pub use source::{Source, SourceSpec, TargetSpec, Versions};
pub use step::{
    AsOf, Convert, ConvertKind, Copy, CopyField, CopyFrom, CopyPath, Filter, FilterWhen, Lookup,
    Multiple, OnMissing, Order, Predicate, Remove, Rename, Root, Set, Step,
};
pub use step_keys::{Explode, KeyError, KeyPiece, KeyTemplate, OnEmpty, RoutingRule};
pub use step_values::{
    Date, DateRule, Defaults, Join, MapValues, Otherwise, Script, Split, SplitRule, Truncate,
    ValueTable,
};
pub use units::duration;
pub use verify::{ContentCheck, CountCheck, VerifySpec};

/// A checked recipe, language version 1.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The recipe's name, the key of its journal: `[a-z0-9][a-z0-9_-]{0,62}`.
    pub name: String,
    /// Variables as they stand after `--set` and the environment.
    pub vars: BTreeMap<String, String>,
    /// Where the cluster is and how to sign in.
    pub cluster: ClusterRef,
    /// What is migrated or loaded.
    pub source: Source,
    /// What they become.
    pub target: TargetSpec,
    /// What happens to each document, in order. Empty: documents pass through unchanged.
    pub pipeline: Vec<Step>,
    /// What must hold before the switch.
    pub verify: VerifySpec,
    /// How names are switched.
    pub cutover: CutoverSpec,
    /// How much may be used.
    pub limits: Limits,
}

impl Recipe {
    /// Reads and checks a recipe.
    ///
    /// `file` only serves messages. `set` overrides `vars`; `env` answers `${NAME}`.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and column.
    pub fn parse(
        text: &str,
        file: &str,
        set: &BTreeMap<String, String>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        read::recipe(text, set, env).map_err(|fault| fault.into_error(text, file))
    }

    /// A 128-bit fingerprint, in hex, of everything that decides what a document becomes: the
    /// pipeline after variables are filled in. The journal keeps it, so that a run isn't resumed
    /// with another pipeline. The spelling of the recipe (order of keys, comments) doesn't count.
    #[must_use]
    pub fn pipeline_fingerprint(&self) -> String {
        let mut text = String::from("segue-pipeline-1\n");
        if let Source::Files(files) = &self.source {
            files.describe(&mut text);
        }
        for step in &self.pipeline {
            step.describe(&mut text);
        }
        format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
    }

    /// The narrowest wildcard that covers every source index, or every generation where the source is
    /// files.
    #[must_use]
    pub fn wildcard(&self) -> String {
        match &self.source {
            Source::Indices(source) => source.index.wildcard(),
            Source::Files(_) => self.target.index.wildcard(),
        }
    }

    /// Whether what writers go on to send after the switch is enriched in place.
    #[must_use]
    pub fn enriches_in_place(&self) -> bool {
        !self.pipeline.is_empty() && !self.cutover.enriched_for().is_zero()
    }

    /// Whether the pipeline makes ids or routings of its own, or several documents of one.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        let keyed = |step: &Step| matches!(step, Step::Explode(_) | Step::Id(_) | Step::Routing(_));
        self.pipeline.iter().any(keyed)
    }

    /// The lookups of the pipeline, in order.
    pub fn lookups(&self) -> impl Iterator<Item = &Lookup> {
        self.pipeline.iter().filter_map(|step| match step {
            Step::Lookup(lookup) => Some(lookup),
            _ => None,
        })
    }
}
