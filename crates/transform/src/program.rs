//! A pipeline, compiled: every name found its slot, every path its rule, before the first document.

use std::sync::Arc;

use segue_model::recipe::{Copy, OnMissing, Path, Segment, Step};

use crate::cache::{Brought, Fragment, SharedCache};
use crate::copy::CopyRule;
use crate::draft::{Names, Slot};
use crate::filter::FilterRule;
use crate::json::push_quoted;
use crate::keyed::Tail;
use crate::rewrite::Rewrite;
use crate::script::{self, Engines, ScriptRule};
use crate::{Error, LookupSpec, View, Worker};

/// A compiled pipeline.
#[derive(Debug)]
pub struct Program {
    specs: Vec<LookupSpec>,
    pub(crate) lookups: Vec<LookupRule>,
    pub(crate) names: Names,
    pub(crate) operations: Vec<Operation>,
    /// The end that makes keys.
    pub(crate) tail: Option<Tail>,
    /// The engines of the scripts, once there is one.
    scripts: Option<Arc<Engines>>,
}

/// How a lookup is done and what is rendered from its row.
#[derive(Debug)]
pub(crate) struct LookupRule {
    pub(crate) name: String,
    pub(crate) key: Target,
    pub(crate) on_missing: OnMissing,
    pub(crate) no_row: Arc<str>,
    /// Fields that only need this row, rendered together once per key.
    pub(crate) groups: Vec<Vec<CopyRule>>,
    pub(crate) keeps_row: bool,
}

/// A field that a step reads or writes.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) slot: Slot,
    pub(crate) quoted: Vec<u8>,
    /// Whether to go into the list found at the first name.
    pub(crate) into: bool,
    pub(crate) rest: Vec<Segment>,
    pub(crate) spelling: Path,
}

/// One step, or a part of one, ready to run.
#[derive(Debug)]
pub(crate) enum Operation {
    /// Find the row of this lookup.
    Lookup(usize),
    /// Add the rendered members of a lookup's group.
    Group {
        lookup: usize,
        group: usize,
        members: Vec<Target>,
        last_word: bool,
    },
    /// Add constant members.
    Constants {
        fragment: Arc<Fragment>,
        members: Vec<Target>,
        last_word: bool,
    },
    /// Copy one field that isn't in a group.
    Copy {
        rule: CopyRule,
        target: Target,
    },
    /// Set one field below the top level.
    Set {
        target: Target,
        value: Vec<u8>,
    },
    Rename {
        old: Target,
        new: Target,
    },
    Remove(Target),
    /// Rewrite the value of one field.
    Rewrite {
        target: Target,
        rule: Rewrite,
    },
    /// Add a constant member where it is absent or null; the fragment has it rendered.
    Default {
        fragment: Arc<Fragment>,
        member: [Target; 1],
        last_word: bool,
    },
    /// Set one field below the top level where it is absent or null.
    DefaultBelow {
        target: Target,
        value: Vec<u8>,
    },
    Filter {
        rule: FilterRule,
        slot: Slot,
    },
    Script(Arc<ScriptRule>),
}

impl Program {
    /// Compiles a pipeline.
    ///
    /// # Errors
    /// [`Error::UnknownLookup`] if a step copies from a lookup that no earlier step does,
    /// [`Error::Script`] if a script is wrong.
    pub fn compile(steps: &[Step]) -> Result<Self, Error> {
        let (before, tail) = Tail::split(steps)?;
        let mut program = Self {
            specs: Vec::new(),
            lookups: Vec::new(),
            names: Names::default(),
            operations: Vec::new(),
            tail,
            scripts: None,
        };
        for step in before {
            program.step(step, steps)?;
        }
        program.grant_last_words();
        Ok(program)
    }

    /// The lookups, in the order their views are to be given to [`Program::bind`].
    #[must_use]
    pub fn lookups(&self) -> &[LookupSpec] {
        &self.specs
    }

    /// Whether documents go through unchanged.
    #[must_use]
    pub fn is_pass_through(&self) -> bool {
        self.operations.is_empty() && self.tail.is_none()
    }

    /// Joins the program with the rows of its lookups.
    ///
    /// # Errors
    /// [`Error::Views`] if their number is wrong, [`Error::OtherLookup`] if one was made for
    /// another lookup.
    pub fn bind(self, views: Vec<Arc<View>>) -> Result<Bound, Error> {
        self.bind_with_cache(views, CACHE_BYTES)
    }

    /// As [`Program::bind`]; rendered rows are kept in at most so many bytes, over all lookups and
    /// workers.
    ///
    /// # Errors
    /// As [`Program::bind`].
    pub fn bind_with_cache(self, views: Vec<Arc<View>>, bytes: usize) -> Result<Bound, Error> {
        if views.len() != self.specs.len() {
            return Err(Error::Views { lookups: self.specs.len(), views: views.len() });
        }
        for (view, spec) in views.iter().zip(&self.specs) {
            view.check_made_for(spec)?;
        }
        let missing = self.lookups.iter().map(|rule| Arc::new(rule.bring(None))).collect();
        let share = bytes / views.len().max(1);
        let caches = views.iter().map(|_| SharedCache::new(share)).collect();
        Ok(Bound { inner: Arc::new(Inner { program: self, views, missing, caches }) })
    }

    fn step(&mut self, step: &Step, steps: &[Step]) -> Result<(), Error> {
        match step {
            Step::Lookup(lookup) => {
                let key = self.target(&lookup.key);
                let no_row = format!("lookup `{}` has no row", lookup.name);
                self.operations.push(Operation::Lookup(self.lookups.len()));
                self.specs.push(LookupSpec::new(lookup, steps));
                self.lookups.push(LookupRule {
                    name: lookup.name.clone(),
                    key,
                    on_missing: lookup.on_missing,
                    no_row: Arc::from(no_row),
                    groups: Vec::new(),
                    keeps_row: false,
                });
            }
            Step::Copy(copy) => self.copy(copy)?,
            Step::Set(set) => {
                for (path, value) in &set.fields {
                    let target = self.target(path);
                    self.set(target, value.as_str().as_bytes());
                }
            }
            Step::Rename(rename) => {
                for (old, new) in &rename.fields {
                    let (old, new) = (self.target(old), self.target(new));
                    self.operations.push(Operation::Rename { old, new });
                }
            }
            Step::Remove(remove) => {
                for path in &remove.fields {
                    let target = self.target(path);
                    self.operations.push(Operation::Remove(target));
                }
            }
            Step::Convert(convert) => self.rewrite(&convert.fields, |kind| Rewrite::Convert(*kind)),
            Step::Date(date) => self.rewrite(&date.fields, |rule| Rewrite::Date(rule.clone())),
            Step::Split(split) => self.rewrite(&split.fields, |rule| Rewrite::Split(rule.clone())),
            Step::Join(join) => self.rewrite(&join.fields, |by| Rewrite::Join(by.clone())),
            Step::Map(map) => self.rewrite(&map.fields, |table| Rewrite::Map(table.clone())),
            Step::Truncate(truncate) => {
                let most = |most: &u32| usize::try_from(*most).unwrap_or(usize::MAX);
                self.rewrite(&truncate.fields, |characters| Rewrite::Truncate(most(characters)));
            }
            Step::Default(set) => {
                for (path, value) in &set.fields {
                    let target = self.target(path);
                    self.default(target, value.as_str().as_bytes());
                }
            }
            Step::Script(script) => {
                let engines = self.scripts.get_or_insert_with(script::engines);
                let names: Vec<_> = self.lookups.iter().map(|rule| rule.name.as_str()).collect();
                let rule = ScriptRule::compile(script, engines, &names)?;
                for at in rule.reads() {
                    self.lookups[at].keeps_row = true;
                }
                self.operations.push(Operation::Script(Arc::new(rule)));
            }
            // `Tail::split` has taken them off.
            Step::Explode(_) | Step::Id(_) | Step::Routing(_) => {}
            Step::Filter(filter) => {
                let rule = FilterRule::compile(filter);
                let slot = self.target(&rule.field).slot;
                self.operations.push(Operation::Filter { rule, slot });
            }
        }
        Ok(())
    }

    fn copy(&mut self, copy: &Copy) -> Result<(), Error> {
        for field in &copy.fields {
            let place = |name: &str| self.lookups.iter().position(|lookup| lookup.name == name);
            let rule = CopyRule::compile(field, &place)?;
            let target = self.target(&rule.target);
            match rule.only_lookup().filter(|_| target.rest.is_empty()) {
                Some(lookup) => self.add_to_group(lookup, rule, target),
                None => {
                    for (at, lookup) in self.lookups.iter_mut().enumerate() {
                        lookup.keeps_row |= rule.reads(at);
                    }
                    self.operations.push(Operation::Copy { rule, target });
                }
            }
        }
        Ok(())
    }

    /// Fields that follow each other and need the same row are rendered together.
    fn add_to_group(&mut self, from: usize, rule: CopyRule, target: Target) {
        if let Some(Operation::Group { lookup, group, members, .. }) = self.operations.last_mut()
            && *lookup == from
        {
            members.push(target);
            self.lookups[from].groups[*group].push(rule);
            return;
        }
        let groups = &mut self.lookups[from].groups;
        groups.push(vec![rule]);
        let group = groups.len() - 1;
        let members = vec![target];
        self.operations.push(Operation::Group { lookup: from, group, members, last_word: false });
    }

    fn rewrite<T>(&mut self, fields: &[(Path, T)], rule: impl Fn(&T) -> Rewrite) {
        for (path, how) in fields {
            let target = self.target(path);
            self.operations.push(Operation::Rewrite { target, rule: rule(how) });
        }
    }

    fn default(&mut self, target: Target, value: &[u8]) {
        if !target.rest.is_empty() {
            self.operations.push(Operation::DefaultBelow { target, value: value.to_vec() });
            return;
        }
        let (fragment, member) = (constant(&target, value), [target]);
        self.operations.push(Operation::Default { fragment, member, last_word: false });
    }

    fn set(&mut self, target: Target, value: &[u8]) {
        if !target.rest.is_empty() {
            self.operations.push(Operation::Set { target, value: value.to_vec() });
            return;
        }
        let (fragment, members) = (constant(&target, value), vec![target]);
        self.operations.push(Operation::Constants { fragment, members, last_word: false });
    }

    fn target(&mut self, path: &Path) -> Target {
        let (first, rest) = path
            .segments()
            .split_first()
            .map_or(("", &[][..]), |(first, rest)| (first.name.as_str(), rest));
        let mut quoted = Vec::with_capacity(first.len() + 2);
        push_quoted(&mut quoted, first.as_bytes());
        Target {
            slot: self.names.slot(first),
            quoted,
            into: path.segments().first().is_some_and(|segment| segment.each),
            rest: rest.to_vec(),
            spelling: path.clone(),
        }
    }

    /// Members that no later step asks for need no slot: their bytes are appended at the end.
    fn grant_last_words(&mut self) {
        let mut later: Vec<Slot> = Vec::new();
        // A script asks for every member.
        let mut script = false;
        for operation in self.operations.iter_mut().rev() {
            let free =
                |members: &[Target]| !script && members.iter().all(|m| !later.contains(&m.slot));
            match operation {
                Operation::Group { members, last_word, .. }
                | Operation::Constants { members, last_word, .. } => *last_word = free(members),
                Operation::Default { member, last_word, .. } => *last_word = free(member),
                Operation::Script(_) => script = true,
                _ => {}
            }
            let slots: Vec<Slot> = match operation {
                Operation::Lookup(at) => vec![self.lookups[*at].key.slot],
                Operation::Group { members, .. } | Operation::Constants { members, .. } => {
                    members.iter().map(|member| member.slot).collect()
                }
                Operation::Copy { target, .. }
                | Operation::Set { target, .. }
                | Operation::Remove(target)
                | Operation::Rewrite { target, .. }
                | Operation::DefaultBelow { target, .. } => vec![target.slot],
                Operation::Default { member: [member], .. } => vec![member.slot],
                Operation::Rename { old, new } => vec![old.slot, new.slot],
                Operation::Filter { slot, .. } => vec![*slot],
                Operation::Script(_) => Vec::new(),
            };
            later.extend(slots);
        }
    }
}

fn constant(target: &Target, value: &[u8]) -> Arc<Fragment> {
    let mut fragment = Fragment::default();
    // Appending a constant can't fail.
    let _ = fragment.push(&target.quoted, |out| {
        out.extend_from_slice(value);
        Ok(())
    });
    Arc::new(fragment)
}

impl LookupRule {
    /// What a row, or the lack of one, brings.
    pub(crate) fn bring(&self, row: Option<Vec<u8>>) -> Brought {
        let groups = self.groups.iter().map(|rules| {
            let mut fragment = Fragment::default();
            for rule in rules {
                let name = rule.target.segments().first().map_or("", |first| first.name.as_str());
                let mut quoted = Vec::with_capacity(name.len() + 2);
                push_quoted(&mut quoted, name.as_bytes());
                fragment.push(&quoted, |out| rule.render(&|_| row.as_deref(), out))?;
            }
            Ok(Arc::new(fragment))
        });
        let groups = groups.collect();
        Brought { found: row.is_some(), groups, row: row.filter(|_| self.keeps_row) }
    }
}

/// A program with the rows of its lookups. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bound {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) program: Program,
    pub(crate) views: Vec<Arc<View>>,
    /// Per lookup, what a missing row brings.
    pub(crate) missing: Vec<Arc<Brought>>,
    /// Per lookup, what its rows brought.
    pub(crate) caches: Vec<SharedCache>,
}

/// Bytes of rendered rows that a program keeps by default: some ten thousand rows.
const CACHE_BYTES: usize = 16 << 20;

impl Bound {
    /// A worker with its own buffers; one per lane.
    #[must_use]
    pub fn worker(&self) -> Worker {
        Worker::new(Arc::clone(&self.inner))
    }

    /// Whether documents go through unchanged.
    #[must_use]
    pub fn is_pass_through(&self) -> bool {
        self.inner.program.is_pass_through()
    }

    /// Whether it makes keys, so that documents of the target have others than those of the source.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        self.inner.program.tail.is_some()
    }

    /// Whether any number of documents can be made of one.
    #[must_use]
    pub fn fans_out(&self) -> bool {
        self.inner.program.tail.as_ref().is_some_and(Tail::fans_out)
    }
}
