//! The indices of a part: blocks, marks, settings, pipelines.

use serde_json::{Map, Value, json};

use super::{Case, Index, Kind, Redirector, Serves, Step};
use crate::cutover::{Mark, is_closing_mark, is_giving_up_mark};
use crate::id::{AliasName, IndexName};
use crate::phase::Phase;

/// What the names of redirect pipelines begin with.
const REDIRECT: &str = "segue-redirect-";

impl Case<'_> {
    fn is_cutting_over(&self) -> bool {
        matches!(self.part.state.phase, Phase::CuttingOver { .. })
    }

    fn standing(&self) -> Option<&Index> {
        self.seen.names.as_ref().ok()?.index.as_ref()
    }

    /// The index of the source's own name.
    pub(super) fn source(&mut self) {
        let Some(index) = self.standing().cloned() else { return };
        let name = self.part.source;
        let running = self.is_cutting_over() && !self.is_idle();
        if index.is_blocked() && !running {
            let (what, next) = if self.is_cutting_over() {
                (
                    format!(
                        "{name} refuses writes, and the cutover that closed it is not run by anybody"
                    ),
                    Step::Run,
                )
            } else {
                (
                    format!("{name} refuses writes, and no cutover of this migration runs"),
                    open(name),
                )
            };
            self.find(Kind::SourceBlocked, what, next);
        }
        let giving_up = self.part.state.phase == Phase::Abandoning;
        let is_stale =
            |alias: &str| is_closing_mark(alias) || is_giving_up_mark(alias) && !giving_up;
        let stale = index.aliases.keys().filter(|alias| is_stale(alias.as_str()));
        let stale: Vec<_> = stale.cloned().collect();
        if !stale.is_empty() && !self.is_cutting_over() {
            let what = format!("{name} has the mark {}, and nobody works by it", list(&stale));
            self.find(Kind::StaleMark, what, remove(name, &stale));
        }
        self.redirect_in_force(name, &index);
    }

    /// The target.
    pub(super) fn target(&mut self) {
        let (Ok(seen), Some(name)) = (&self.seen.target, &self.part.state.target) else { return };
        // Before that it may not have been made.
        let Some(uuid) = &self.part.state.target_uuid else { return };
        let phase = &self.part.state.phase;
        if *phase == Phase::Abandoned {
            if seen.as_ref().is_some_and(|index| index.uuid() == *uuid) {
                let what = format!("{name} was made for what was given up, and is still there");
                self.find(Kind::TargetLeft, what, Step::Abandon);
            }
            return;
        }
        let look = Step::look("/_cat/indices?v&expand_wildcards=all");
        let next = if self.serves == Serves::Source { Step::Abandon } else { look };
        let Some(index) = seen else {
            let may_be_gone = *phase == Phase::Abandoning || self.is_retired(name);
            if !may_be_gone {
                self.find(Kind::TargetMissing, format!("there is no {name}, the target"), next);
            }
            return;
        };
        if index.uuid() != *uuid {
            if !self.is_retired(name) {
                let what =
                    format!("{name} is another index than the one that was made as the target");
                self.find(Kind::TargetReplaced, what, next);
            }
            return;
        }
        self.target_marks(name, index);
        self.target_shown(name, index);
        if self.serves == Serves::Target {
            self.serving_target(name, index);
        } else if *phase == Phase::RollingBack && self.is_idle() && index.is_blocked() {
            let what = format!(
                "{name} refuses writes, and the rollback that closed it is not run by anybody"
            );
            self.find(Kind::TargetBlocked, what, Step::Run);
        }
        self.redirect_in_force(name, index);
    }

    fn is_retired(&self, index: &IndexName) -> bool {
        self.part.state.retired.as_ref() == Some(index)
    }

    fn target_marks(&mut self, name: &IndexName, index: &Index) {
        let marks: Vec<_> =
            index.aliases.keys().filter(|a| Mark::is_one(a.as_str())).cloned().collect();
        match self.serves {
            Serves::Target | Serves::Kept => {
                if !marks.is_empty() {
                    let what =
                        format!("{name} has the mark {} after the names moved", list(&marks));
                    let finished = self.part.state.phase == Phase::Finished;
                    let next = if finished { Step::Cleanup } else { remove(name, &marks) };
                    self.find(Kind::MarkOnServing, what, next);
                }
            }
            Serves::Source => self.marks_before(name, &marks),
            Serves::Moving => {}
        }
    }

    /// Marks before the switch. Between a record and its request the newest is not there yet, so older
    /// ones count only where nobody is at work.
    fn marks_before(&mut self, name: &IndexName, marks: &[AliasName]) {
        let newest = self.part.state.epoch;
        let (mut stale, mut unknown) = (Vec::new(), Vec::new());
        for alias in marks {
            match Mark::of(alias.as_str(), name).map(Mark::epoch) {
                Some(epoch) if newest.is_none_or(|newest| epoch > newest) && epoch.0 > 0 => {
                    unknown.push(alias.clone());
                }
                Some(epoch) if newest.is_none_or(|newest| epoch == newest) => {}
                _ => stale.push(alias.clone()),
            }
        }
        if !unknown.is_empty() {
            let what = format!(
                "{name} has the mark {}, of which the journal knows nothing: a later run \
                                was recorded elsewhere, or the journal is an old one",
                list(&unknown)
            );
            self.find(Kind::UnknownMark, what, Step::look(format!("/{name}/_alias?pretty")));
        }
        if !self.is_idle() || self.part.state.phase.is_given_up() {
            return;
        }
        if !stale.is_empty() {
            let what = format!("{name} has the mark {}, of an epoch that is over", list(&stale));
            self.find(Kind::StaleMark, what, Step::Run);
        }
        if marks.is_empty() {
            let what = format!("{name} has no mark: what comes late would not be refused");
            self.find(Kind::MarkMissing, what, Step::Run);
        }
    }

    /// Who reads the target by a name that other indices have as well.
    fn target_shown(&mut self, name: &IndexName, index: &Index) {
        let names = index.aliases.iter().filter(|(alias, _)| !Mark::is_one(alias.as_str()));
        let moved = self.part.state.cutover.as_ref().map(|cutover| cutover.aliases.clone());
        let moved = moved.unwrap_or_default();
        match self.serves {
            Serves::Source if !self.part.state.phase.is_given_up() => {
                let shown: Vec<_> = names
                    .filter(|(alias, hides)| {
                        !**hides && alias.as_str() != self.part.source.as_str()
                    })
                    .map(|(alias, _)| alias.clone())
                    .collect();
                if !shown.is_empty() {
                    let what = format!(
                        "{name} is shown by {} before the switch: readers see \
                                        documents twice",
                        list(&shown)
                    );
                    self.find(Kind::TargetShown, what, remove(name, &shown));
                }
            }
            Serves::Target => {
                let hidden: Vec<_> = names
                    .filter(|(alias, hides)| **hides && moved.contains(alias))
                    .map(|(alias, _)| alias.clone())
                    .collect();
                if !hidden.is_empty() {
                    let what = format!(
                        "{name} is hidden from readers of {}, though it serves",
                        list(&hidden)
                    );
                    let next = Step::look(format!("/{name}/_alias?pretty"));
                    self.find(Kind::TargetHidden, what, next);
                }
            }
            _ => {}
        }
    }

    pub(super) fn serving_target(&mut self, name: &IndexName, index: &Index) {
        if index.is_blocked() {
            let what = format!("{name} serves and refuses writes, and no rollback runs");
            self.find(Kind::TargetBlocked, what, open(name));
        }
        // Done by who switched; the final pipeline only once a redirect has ended.
        let at_work = self.part.state.phase == Phase::Watching
            && (!self.is_idle() || self.is_redirect_pending());
        if at_work {
            return;
        }
        let still = self.seen.relaxed.iter().filter(|relaxed| {
            index.setting(relaxed.setting) == Some(relaxed.meanwhile)
                && relaxed.otherwise.as_deref() != Some(relaxed.meanwhile)
        });
        let mut back = Map::new();
        let mut words = Vec::new();
        for relaxed in still {
            words.push(format!("{} is {}", relaxed.setting, relaxed.meanwhile));
            back.insert(relaxed.setting.to_owned(), json!(relaxed.otherwise));
        }
        if !words.is_empty() {
            let what = format!("{name} is still set as for copying: {}", words.join(", "));
            let next = Step::put(format!("/{name}/_settings"), Value::Object(back));
            self.find(Kind::StillRelaxed, what, next);
        }
    }

    /// The kept copy.
    pub(super) fn kept(&mut self) {
        let state = self.part.state;
        let (Ok(seen), Some(cutover)) = (&self.seen.kept, &state.cutover) else { return };
        let name = &cutover.keep;
        if !matches!(self.serves, Serves::Target | Serves::Kept) || self.is_retired(name) {
            return;
        }
        let look = Step::look("/_cat/indices/segue-before-*?v&expand_wildcards=all");
        let Some(index) = seen else {
            let what =
                format!("there is no {name}, the copy of the old index: there is no way back");
            self.find(Kind::KeptMissing, what, look);
            return;
        };
        let source = state.source.as_ref().map(|source| source.uuid.as_str());
        if source.is_some() && index.cloned_from.as_deref() != source {
            let what = format!("{name} is no copy of the index that {} was", self.part.source);
            self.find(Kind::KeptReplaced, what, look);
            return;
        }
        match self.serves {
            Serves::Kept if index.is_blocked() => {
                let what = format!("{name} serves again and refuses writes");
                self.find(Kind::SourceBlocked, what, open(name));
            }
            Serves::Target if !index.is_blocked() && state.reverse.is_none() => {
                let what = format!("{name} takes writes, though nothing is carried back");
                let path = format!("/{name}/_block/write");
                let next = Step::Request { method: "PUT", path, body: None };
                self.find(Kind::KeptOpen, what, next);
            }
            _ => {}
        }
        self.redirect_in_force(name, index);
    }

    /// Whether a redirect may be in force: a cutover runs, or what comes after it.
    fn may_redirect(&self) -> bool {
        (self.is_cutting_over() && !self.is_idle()) || self.is_finishing_redirect()
    }

    fn is_finishing_redirect(&self) -> bool {
        self.part.state.phase == Phase::Watching && self.is_redirect_pending()
    }

    fn redirect_in_force(&mut self, name: &IndexName, index: &Index) {
        let Some(pipeline) = index.setting("index.default_pipeline") else { return };
        if !pipeline.starts_with(REDIRECT) || self.may_redirect() {
            return;
        }
        let next = if self.is_cutting_over() {
            Step::Run
        } else if name == self.part.source {
            self.own_pipelines()
        } else {
            Step::look(format!("/{name}/_settings?flat_settings=true&pretty"))
        };
        let what = format!(
            "writes to {name} go through {pipeline}, and no cutover is run by anybody; what it sends on \
             stays where it was sent"
        );
        self.find(Kind::RedirectInForce, what, next);
    }

    /// The source's own pipelines in force again.
    fn own_pipelines(&self) -> Step {
        let cutover = self.part.state.cutover.as_ref();
        let own = cutover.and_then(|cutover| cutover.redirect.as_ref());
        let (first, last) = own
            .map(|own| (own.default_pipeline.clone(), own.final_pipeline.clone()))
            .unwrap_or_default();
        let body = json!({ "index.default_pipeline": first, "index.final_pipeline": last });
        Step::put(format!("/{}/_settings", self.part.source), body)
    }

    /// The pipelines themselves.
    pub(super) fn redirects(&mut self) {
        let Ok(pipelines) = &self.seen.pipelines else { return };
        let in_force = self.standing().and_then(|index| index.setting("index.default_pipeline"));
        let in_force = in_force.map(str::to_owned);
        for Redirector { name, target } in pipelines {
            let used = in_force.as_ref() == Some(name);
            match target {
                Some((target, false)) if used => {
                    let source = self.part.source;
                    let what = format!(
                        "{name} sends writes to {source} on to {target}, which is not there: \
                                        the cluster may make it, with guessed mappings"
                    );
                    let next =
                        if self.is_cutting_over() { Step::Run } else { self.own_pipelines() };
                    self.find(Kind::RedirectTargetMissing, what, next);
                }
                _ if !used
                    && !self.is_cutting_over()
                    && !self.is_finishing_redirect()
                    && self.is_idle() =>
                {
                    let what = format!("the pipeline {name} is of a redirect that is over");
                    self.find(
                        Kind::RedirectLeft,
                        what,
                        Step::delete(format!("/_ingest/pipeline/{name}")),
                    );
                }
                _ => {}
            }
        }
    }
}

fn open(index: &IndexName) -> Step {
    Step::put(format!("/{index}/_settings"), json!({ "index.blocks.write": null }))
}

fn remove(index: &IndexName, aliases: &[AliasName]) -> Step {
    let action = |alias: &AliasName| json!({ "remove": { "index": index, "alias": alias } });
    Step::aliases(&aliases.iter().map(action).collect::<Vec<_>>())
}

fn list(aliases: &[AliasName]) -> String {
    aliases.iter().map(AliasName::as_str).collect::<Vec<_>>().join(", ")
}
