//! One run, from its seed to its findings.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use fastrand::Rng;
use segue_testkit::Fault;
use serde_json::{Value, json};

use crate::conduct::{Conductor, Struck};
use crate::ground::Ground;
use crate::history::{History, Wrong};
use crate::plant::Plant;
use crate::recipe::{self, Names};
use crate::request::Target;
use crate::scenario::Scenario;
use crate::verdict::{Finding, Kind, judge};
use crate::writer::{Book, Tally, Writer, Writing};
use crate::{install, look};

/// How a run went.
pub(crate) struct Ran {
    pub findings: Vec<Finding>,
    pub tally: Tally,
    pub struck: Struck,
    /// Documents that were there in the end.
    pub documents: u64,
}

/// What all runs have in common.
pub(crate) struct Setting<'a> {
    pub ground: &'a Ground,
    pub segue: &'a Path,
    /// Damage done on purpose before the checker looks.
    pub plant: Option<Plant>,
}

/// Carries out a scenario in `folder`. An error means that the run could not be carried out or judged;
/// what is wrong with segue is a finding.
pub(crate) fn run(
    setting: &Setting<'_>,
    scenario: &Scenario,
    folder: &Path,
) -> anyhow::Result<Ran> {
    let ground = setting.ground;
    let names = Names::of(scenario);
    ground.calm();
    ground.settle()?;
    let http = ground.http()?;
    ground.wait(install::remove(&http, &names)).context("what an earlier run left")?;
    ground.wait(install::make(&http, scenario, &names))?;
    let recipe = folder.join("recipe.yaml");
    std::fs::write(&recipe, recipe::text(scenario, &names)).context("cannot write the recipe")?;
    let mut conductor = Conductor {
        ground,
        names: &names,
        segue: setting.segue,
        recipe,
        folder,
        rng: Rng::with_seed(scenario.seed ^ 0x5e60e),
        struck: Struck::default(),
        findings: Vec::new(),
    };
    let writing = begin(ground, scenario, &names)?;
    let conducted = conduct(&mut conductor, scenario);
    let (book, tally) = ground.wait(writing.stop())?;
    conducted?;
    let Conductor { struck, mut findings, .. } = conductor;
    // Each document has one writer, who counts upwards: nothing of the application's stands in its way.
    if scenario.workload.versioned && tally.conflicted > 0 {
        let what = format!("{} writes with the application's next version", tally.conflicted);
        findings.push(Finding::new(Kind::ShutOut, what));
    }
    let done = !findings.iter().any(|finding| finding.kind == Kind::Stuck);
    let http = ground.http()?;
    if let Some(plant) = setting.plant {
        let sure = |id: &str| {
            let number = id.strip_prefix('d').and_then(|number| number.parse().ok());
            let history = number.and_then(|number: u64| book.get(&number));
            let must_be_there =
                |history: &History| history.judge(scenario.pipeline, None) == Some(Wrong::Lost);
            history.is_some_and(|history| !history.retired() && must_be_there(history))
        };
        ground.wait(plant.carry_out(&http, &names.name, &sure))?;
    }
    let documents = ground.wait(examine(&http, scenario, &names, &book, done, &mut findings))?;
    if !findings.is_empty() {
        keep(ground, &names, folder, &findings)?;
    }
    ground.wait(install::remove(&http, &names)).context("cleaning up")?;
    Ok(Ran { findings, tally, struck, documents })
}

/// Loads the old index and sets the writers to work.
fn begin(ground: &Ground, scenario: &Scenario, names: &Names) -> anyhow::Result<Writing> {
    let target =
        Target { name: names.name.clone(), old: names.source.clone(), mode: scenario.mode };
    let mut writers = Writer::all(scenario, &target, &ground.all());
    let each = scenario.documents / scenario.workload.writers.max(1);
    for writer in &mut writers {
        ground.wait(writer.load(each))?;
    }
    let _entered = ground.runtime().enter();
    Ok(Writing::start(writers))
}

fn conduct(conductor: &mut Conductor<'_>, scenario: &Scenario) -> anyhow::Result<()> {
    std::thread::sleep(scenario.ahead);
    for attempt in &scenario.attempts {
        if conductor.rough(attempt)? {
            break;
        }
    }
    conductor.finish()?;
    // Stragglers of the network arrive, and the application writes on after the switch.
    let late = scenario.attempts.iter().filter_map(|attempt| match attempt.network?.fault {
        Fault::Late(time) => Some(time),
        _ => None,
    });
    let rest = late.max().unwrap_or_default() + Duration::from_millis(300);
    std::thread::sleep(rest);
    if scenario.run_again {
        conductor.once_more();
    }
    Ok(())
}

/// Looks at the cluster as it is in the end. What is not done can only be judged by its documents.
async fn examine(
    http: &segue_demo::http::Http,
    scenario: &Scenario,
    names: &Names,
    book: &Book,
    done: bool,
    findings: &mut Vec<Finding>,
) -> anyhow::Result<u64> {
    if !done {
        return Ok(0);
    }
    let named = |kind: Kind| move |what: String| Finding::new(kind, what);
    findings.extend(look::misbound(http, names).await?.into_iter().map(named(Kind::Misbound)));
    findings.extend(look::left_over(http, names).await?.into_iter().map(named(Kind::LeftOver)));
    let found = look::documents(http, &names.name).await?;
    if let Some(elsewhere) = found.iter().find(|document| document.index != names.target) {
        let what = format!("{} is found in {}", elsewhere.id, elsewhere.index);
        findings.push(Finding::new(Kind::Misbound, what));
    }
    findings.extend(judge(scenario, book, &found));
    Ok(u64::try_from(found.len())?)
}

/// Keeps the findings and what the cluster says, for people.
fn keep(ground: &Ground, names: &Names, folder: &Path, findings: &[Finding]) -> anyhow::Result<()> {
    let http = ground.http()?;
    let evidence: Value = ground.wait(look::evidence(&http, names));
    let text = |value: &Value| format!("{value:#}\n");
    std::fs::write(folder.join("cluster.json"), text(&evidence))?;
    std::fs::write(folder.join("findings.json"), text(&json!(findings)))?;
    Ok(())
}
