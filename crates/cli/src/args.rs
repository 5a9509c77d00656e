//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::render::report::ReportShape;

/// Changes live OpenSearch and Elasticsearch indices while readers and writers keep working.
#[derive(Debug, Parser)]
#[command(name = "segue", version, about, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub log: LogOptions,
    #[command(subcommand)]
    pub command: Command,
}

/// What is logged, and where to.
#[derive(Debug, Args)]
pub struct LogOptions {
    /// How much to log: error, warn, info, debug or trace; unset, warn, and info into a file.
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// How a line of the log looks.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Append the log to this file instead of standard error.
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows a whole migration on a real engine on this machine, with live writers and a checker.
    Demo(DemoOptions),
    /// Local engines, as the demo and the tests use them.
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Recipes.
    #[command(subcommand)]
    Recipe(RecipeCommand),
    /// Shows what a recipe would do; changes nothing.
    Plan(PlanOptions),
    /// Shows what the recipe's pipeline makes of single documents; changes nothing.
    Try(TryOptions),
    /// Carries a recipe out: copy, catch up, verify, switch. Run it again to go on after any stop.
    Run(FollowOptions),
    /// Shows where a recipe's parts stand.
    Status(StatusOptions),
    /// Compares what stands in the cluster with the journal, names every contradiction and the safe next
    /// step; changes nothing.
    Doctor(PartsOptions),
    /// Copies what is not copied yet and compares source and target, document by document; switches
    /// nothing.
    Verify(RunOptions),
    /// As run, and switches also where the recipe leaves the start of the cutover to you.
    Cutover(RunOptions),
    /// Helps with a migration that `run` has begun, from this machine or another: takes the parts that
    /// nobody works on, and those of processes that died, until all is done.
    Worker(PlanOptions),
    /// Goes back: the old index serves again by its name, with what was written since the switch.
    Rollback(RollbackOptions),
    /// Gives parts up before their switch: the source stays as it was, what was made is removed.
    Abandon(AbandonOptions),
    /// Deletes what is no longer needed some days after the switch: the copies of the old indices.
    Cleanup(CleanupOptions),
    /// Copies an index into a new one and compares them, without a recipe of one's own; switches nothing.
    Copy(CopyOptions),
    /// Moves an alias from one index to another: with a last pass where `copy` made the other one, else only
    /// if nothing can be lost.
    Switch(SwitchOptions),
    /// Lists dead letters by cause; shows, exports and retries them. Exit code 3 where they are more than
    /// the recipe allows.
    Errors(ErrorsOptions),
    /// Rolls documents up by period and key, as a recipe with a `rollup` section says; shows how far that is.
    #[command(subcommand)]
    Rollup(RollupCommand),
    /// Keeps events of joining and leaving groups, as a recipe with a `membership` section says.
    #[command(subcommand)]
    Membership(MembershipCommand),
    /// Shows the bookmarks that a recipe relies on: those that a roll-up keeps for another application, or
    /// how far each part of a migration is read.
    Bookmarks(BookmarksOptions),
    /// Prints the script that lets a shell complete segue's commands and options.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Writes the manual pages.
    Man {
        /// The folder for them.
        folder: PathBuf,
    },
    /// Prints the reference of all commands, as Markdown.
    #[command(hide = true)]
    Reference,
    /// Lifts a block when the process that set it dies; started by segue itself.
    #[command(hide = true)]
    Watchdog(RecipeFile),
}

/// A recipe and what fills its variables.
#[derive(Clone, Debug, Args)]
pub struct RecipeFile {
    /// The recipe, a YAML file.
    pub recipe: PathBuf,
    /// Sets a variable of the recipe.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub struct PlanOptions {
    #[command(flatten)]
    pub file: RecipeFile,
    /// Only the parts with this capture, such as month=2025-06; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub only: Vec<(String, String)>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct TryOptions {
    #[command(flatten)]
    pub file: RecipeFile,
    /// The document with this id, in each part that has it; may be given several times.
    #[arg(long = "id", value_name = "ID", conflicts_with = "sample")]
    pub ids: Vec<String>,
    /// So many documents, spread over the parts; the same ones again while nothing is written.
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub sample: u64,
    /// Print a line of JSON for each document.
    #[arg(long)]
    pub json: bool,
}

/// Parts of a recipe that the journal knows.
#[derive(Debug, Args)]
pub struct PartsOptions {
    #[command(flatten)]
    pub file: RecipeFile,
    /// Only the parts with this capture, such as month=2025-06; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub only: Vec<(String, String)>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ErrorsOptions {
    /// The recipe, a YAML file.
    pub recipe: PathBuf,
    /// Sets a variable of the recipe.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair, global = true)]
    pub set: Vec<(String, String)>,
    /// Only the parts with this capture, such as month=2025-06; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, global = true)]
    pub only: Vec<(String, String)>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Option<ErrorsCommand>,
}

#[derive(Debug, Subcommand)]
pub enum ErrorsCommand {
    /// Everything about one document: as the source holds it now, as it was sent, and why it is refused.
    Show {
        /// The document's id; for a record without one, FILE:RECORD.
        id: String,
    },
    /// Writes the dead letters as JSON lines.
    Export {
        /// The file; standard output without one.
        file: Option<PathBuf>,
    },
    /// Reads the documents anew, transforms and writes them.
    Retry(RetryOptions),
}

#[derive(Debug, Args)]
pub struct RetryOptions {
    /// Only this group: its number in the list, or a piece of its kind or reason.
    #[arg(long, value_name = "N|TEXT")]
    pub group: Option<String>,
    /// After the switch: the application has deleted none of them since, so they may be created.
    #[arg(long)]
    pub not_deleted: bool,
    /// Don't ask.
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct AbandonOptions {
    #[command(flatten)]
    pub parts: PartsOptions,
    /// Don't ask.
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct CleanupOptions {
    #[command(flatten)]
    pub parts: PartsOptions,
    /// Only what the names have not stood for since at least this long ago, such as 12h or 0s.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
    pub older_than: Duration,
    /// Don't ask.
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct RunOptions {
    #[command(flatten)]
    pub plan: PlanOptions,
    /// Stop after this many bulk requests; a later run goes on from there.
    #[arg(long, value_name = "N")]
    pub max_batches: Option<u64>,
    /// Begin nothing more after this time, such as 10m; a later run goes on from there.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub at_most: Option<Duration>,
    /// Don't ask.
    #[arg(long, short)]
    pub yes: bool,
    /// Write the report, as JSON, to this file too.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// The report's shape.
    #[arg(long, value_name = "SHAPE", value_enum, default_value_t, requires = "report")]
    pub report_shape: ReportShape,
}

#[derive(Debug, Args)]
pub struct FollowOptions {
    #[command(flatten)]
    pub run: RunOptions,
    /// Go on after the report: keep parts caught up that wait for their cutover, and carry back what is
    /// written to those that are watched, every N seconds, until stopped.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "5")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub follow: Option<u64>,
    /// Only try it: documents of each part go through the pipeline into a scratch index with the target's
    /// mapping, which is removed again. Exit code 3 where some would be refused.
    #[arg(long, conflicts_with_all = ["follow", "max_batches"])]
    pub dry_run: bool,
    /// With --dry-run: so many documents of each part, spread over it.
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "dry_run")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub sample: u64,
    /// With --dry-run: all documents.
    #[arg(long, requires = "dry_run", conflicts_with = "sample")]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct RollbackOptions {
    #[command(flatten)]
    pub plan: PlanOptions,
    /// Don't ask. Not enough where writes would be lost.
    #[arg(long, short)]
    pub yes: bool,
    /// Leave behind what was written since the switch and cannot go back.
    #[arg(long)]
    pub discard_writes: bool,
}

#[derive(Debug, Subcommand)]
pub enum RollupCommand {
    /// Rolls up what changed since the last run, and what has never been; run it as often as you like.
    Run(RollupRunOptions),
    /// Shows what is rolled up, what is not, and the gaps; changes nothing.
    Status(StatusOptions),
}

#[derive(Debug, Args)]
pub struct RollupRunOptions {
    #[command(flatten)]
    pub file: RecipeFile,
    /// Roll everything up from this date on, changed or not: 2025-06-04.
    #[arg(long, value_name = "DATE")]
    pub from: Option<String>,
    /// Nothing after this date; without it, up to now.
    #[arg(long, value_name = "DATE")]
    pub to: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum MembershipCommand {
    /// Writes an event of joining for every member and group that has none; run it as often as you like.
    Run(MembershipRunOptions),
    /// Carries single changes out, from lines of JSON; the same ones once more change nothing.
    Apply(MembershipApplyOptions),
    /// Shows how many members lack events, and the indices of events; changes nothing.
    Status(StatusOptions),
}

#[derive(Debug, Args)]
pub struct MembershipRunOptions {
    #[command(flatten)]
    pub file: RecipeFile,
    /// Only these members: id=ID and group=GROUP, each as often as needed, and created=2024-01-01..2024-06-30.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub only: Vec<(String, String)>,
    /// Only look, and say what would be written.
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct MembershipApplyOptions {
    #[command(flatten)]
    pub file: RecipeFile,
    /// The changes, one JSON object a line; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub changes: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = false)]
pub struct BookmarksOptions {
    /// The recipe, a YAML file.
    pub recipe: PathBuf,
    /// Sets a variable of the recipe.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair, global = true)]
    pub set: Vec<(String, String)>,
    /// Only these bookmarks: name=NAME and key=KEY, each as often as needed; of a migration, the parts with
    /// this capture.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, global = true)]
    pub only: Vec<(String, String)>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Option<BookmarksCommand>,
}

#[derive(Debug, Subcommand)]
pub enum BookmarksCommand {
    /// Deletes bookmarks of a roll-up: those that --only names, or all. The next run writes them anew.
    Clear {
        /// All of them, where nothing is named.
        #[arg(long, conflicts_with = "only")]
        all: bool,
        /// Don't ask.
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct StatusOptions {
    #[command(flatten)]
    pub file: RecipeFile,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum RecipeCommand {
    /// Checks a recipe without asking any cluster.
    Check(RecipeFile),
    /// Shows a recipe as it is meant: environment and variables filled in, defaults written out.
    Show(ShowOptions),
    /// Prints the JSON Schema of recipes, for editors.
    Schema(SchemaOptions),
    /// Writes a recipe to begin with, from what it sees of an index; changes nothing in the cluster.
    New(NewOptions),
}

/// Which schema is printed.
#[derive(Debug, Args)]
pub struct SchemaOptions {
    /// That of roll-ups; without it, that of migrations and loads.
    #[arg(long)]
    pub rollup: bool,
}

#[derive(Debug, Args)]
pub struct ShowOptions {
    #[command(flatten)]
    pub file: RecipeFile,
    /// Print JSON instead of YAML.
    #[arg(long)]
    pub json: bool,
}

/// A cluster, where no recipe names it. Secrets are named by where they are.
#[derive(Clone, Debug, Args)]
pub struct ConnectOptions {
    /// The cluster's address.
    #[arg(
        long,
        value_name = "URL",
        env = "SEGUE_CLUSTER",
        default_value = "http://localhost:9200"
    )]
    pub cluster: String,
    /// Sign in as this user; --password-env says where the password is.
    #[arg(long, value_name = "NAME", requires = "password_env")]
    pub user: Option<String>,
    /// The environment variable with the password.
    #[arg(long, value_name = "VARIABLE", requires = "user")]
    pub password_env: Option<String>,
    /// Sign in with the API key in this environment variable.
    #[arg(long, value_name = "VARIABLE", conflicts_with = "user")]
    pub api_key_env: Option<String>,
    /// A PEM file with the authorities to trust.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CopyOptions {
    /// The index to copy.
    pub source: String,
    /// The index to make.
    pub target: String,
    #[command(flatten)]
    pub connect: ConnectOptions,
    /// A JSON file with settings and mappings of the new index; without it, it is made as the old one is.
    #[arg(long, value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// Don't ask.
    #[arg(long, short)]
    pub yes: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SwitchOptions {
    /// The alias to move.
    pub alias: String,
    /// The index it stands for; by default whatever one index that is.
    #[arg(long, value_name = "INDEX")]
    pub from: Option<String>,
    /// The index it is to stand for.
    #[arg(long, value_name = "INDEX")]
    pub to: String,
    #[command(flatten)]
    pub connect: ConnectOptions,
    /// By how many percent the number of documents may differ.
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = percent)]
    pub max_drift: u32,
    /// Switch although the old index may hold writes that the new one does not.
    #[arg(long)]
    pub discard_writes: bool,
    /// Switch although the old index is empty.
    #[arg(long)]
    pub first_load: bool,
    /// Only look, and say what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Don't ask.
    #[arg(long, short)]
    pub yes: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct NewOptions {
    /// The index to change: its name, an alias of it, or a wildcard such as 'logs-*'. Asked for if not given.
    pub index: Option<String>,
    #[command(flatten)]
    pub connect: ConnectOptions,
    /// The recipe's name; by default made from the index's.
    #[arg(long)]
    pub name: Option<String>,
    /// The target's name; {source} stands for the index's.
    #[arg(long)]
    pub target: Option<String>,
    /// Where to write the recipe; by default NAME.yaml in this folder. A template with the present settings
    /// and mappings is written beside it.
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write no template: the target is made as the source is.
    #[arg(long)]
    pub no_template: bool,
    /// Overwrite files that are there.
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct DemoOptions {
    /// Usage events of the past.
    #[arg(long, default_value_t = 240_000)]
    pub docs: u64,
    /// Live writers.
    #[arg(long, default_value_t = 2)]
    pub writers: u32,
    /// Seed of all data.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Leave the engine running and the data in it.
    #[arg(long)]
    pub keep: bool,
    /// Print the outcome as one JSON line, the last on standard output.
    #[arg(long)]
    pub json: bool,
    /// Use this cluster instead of a sandbox.
    #[arg(long, env = "SEGUE_CLUSTER", value_name = "URL")]
    pub cluster: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    /// Starts an engine, or finds the running one; prints its URL.
    Up(SandboxOptions),
    /// Stops it; its data stay.
    Down(SandboxOptions),
    /// Shows what runs.
    Status(SandboxOptions),
}

#[derive(Debug, Args)]
pub struct SandboxOptions {
    /// Sandboxes of different names live beside each other.
    #[arg(long, default_value = "default")]
    pub name: String,
    /// opensearch-3 (needs Java 21) or opensearch-2; unset = the newest this machine's Java can run.
    #[arg(long)]
    pub engine: Option<String>,
    /// Number of nodes, each a process.
    #[arg(long)]
    pub nodes: Option<usize>,
    /// Heap of each node.
    #[arg(long)]
    pub heap: Option<String>,
    /// Throw away what an earlier start left.
    #[arg(long)]
    pub fresh: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    segue_model::recipe::duration(text)
        .ok_or_else(|| format!("{text:?} is not a whole number with ms, s, m, h or d, such as 7d"))
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not of the form name=value")),
    }
}

fn percent(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    number.parse().map_err(|_| format!("{text:?} is no percentage such as 10%"))
}
