//! Scripts: small programs that change a document.
//!
//! A script is a function of the document and the rows of earlier lookups: it has no clock, no
//! randomness, no files, no network and no output, and what it may use is bounded. It is compiled
//! once. Numbers keep their value: whole ones of 64 bits and decimal ones of up to 28 digits can be
//! computed with; any other is carried along as it is spelled, and can't be computed with.

mod bounds;
mod room;
mod value;

use std::sync::Arc;

use rhai::packages::{Package, StandardPackage};
use rhai::{AST, Dynamic, Engine, EvalAltResult, Map, OptimizationLevel, Position, Scope};
use segue_model::recipe::Script;

use crate::Error;
use crate::json::{Members, decode, push_clean, push_quoted, trim};
use crate::script::bounds::{BOUNDS, Bound, Bounds};
pub(crate) use crate::script::room::Room;

/// The name that scripts call the document by.
const DOCUMENT: &str = "doc";

/// Deepest calls of functions.
const CALLS: usize = 32;
/// Deepest nesting of expressions: at the top, and in a function.
const EXPRESSIONS: (usize, usize) = (64, 32);
/// Most variables at a time.
const VARIABLES: usize = 256;
/// Most functions of a script.
const FUNCTIONS: usize = 64;
/// Longest reason that is repeated, characters.
const REASON: usize = 300;

/// What there is in the language, but not here: all that speaks, waits, or makes programs of texts.
const ABSENT: [&str; 3] = ["print", "debug", "eval"];

/// A script, ready to run.
#[derive(Debug)]
pub(crate) struct ScriptRule {
    engines: Arc<Engines>,
    program: AST,
    /// The lookups that it names, with their places.
    rows: Vec<(String, usize)>,
}

/// The engines that all scripts of a pipeline run in, one for each of the [`bounds`].
#[derive(Debug)]
pub(crate) struct Engines([Engine; BOUNDS.len()]);

/// Makes them.
pub(crate) fn engines() -> Arc<Engines> {
    let package = StandardPackage::new();
    Arc::new(Engines(BOUNDS.each_ref().map(|bounds| engine(&package, bounds))))
}

fn engine(package: &StandardPackage, bounds: &Bounds) -> Engine {
    let mut engine = Engine::new_raw();
    package.register_into_engine(&mut engine);
    engine
        .set_optimization_level(OptimizationLevel::Simple)
        .set_strict_variables(true)
        .set_max_operations(bounds.operations)
        .set_max_call_levels(CALLS)
        .set_max_expr_depths(EXPRESSIONS.0, EXPRESSIONS.1)
        .set_max_string_size(bounds.text)
        .set_max_array_size(bounds.values)
        .set_max_map_size(bounds.values)
        .set_max_variables(VARIABLES)
        .set_max_functions(FUNCTIONS);
    engine.register_type_with_name::<value::Exact>("number that is not computed with");
    for name in ABSENT {
        engine.disable_symbol(name);
    }
    engine.register_fn("sleep", |_: rhai::INT| -> Result<(), Box<EvalAltResult>> {
        Err("there is no `sleep`".into())
    });
    engine
}

/// Why a run came to no end.
enum Stopped {
    /// A value passed this bound.
    TooLarge(Bound, String),
    /// The document must be refused.
    Refused(String),
}

impl std::convert::From<String> for Stopped {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

/// Whether a script may read the row of this lookup: its name stands in it as a word.
pub(crate) fn mentions(code: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name)
        .any(|(at, _)| !code[..at].ends_with(part) && !code[at + name.len()..].starts_with(part))
}

impl ScriptRule {
    /// Compiles a script; `lookups` are the names of those before it, in their order.
    ///
    /// # Errors
    /// [`Error::Script`] says where in the script it is wrong.
    pub(crate) fn compile(
        script: &Script,
        engines: &Arc<Engines>,
        lookups: &[&str],
    ) -> Result<Self, Error> {
        // Variables and no constants: the values of these would be compiled in.
        let mut scope = Scope::new();
        scope.push_dynamic(DOCUMENT, Dynamic::from_map(Map::new()));
        for name in lookups {
            scope.push_dynamic(*name, Dynamic::UNIT);
        }
        let [.., widest] = &engines.0;
        let program = widest.compile_with_scope(&scope, &script.code).map_err(|error| {
            let (line, column) = place(error.position());
            let problem = error.err_type().to_string();
            Error::Script { script: Box::new(script.clone()), line, column, problem }
        })?;
        let named = lookups.iter().enumerate().filter(|(_, name)| mentions(&script.code, name));
        let rows = named.map(|(at, name)| ((*name).to_owned(), at)).collect();
        Ok(Self { engines: Arc::clone(engines), program, rows })
    }

    /// The places of the lookups whose rows it reads.
    pub(crate) fn reads(&self) -> impl Iterator<Item = usize> {
        self.rows.iter().map(|(_, at)| *at)
    }

    /// The document as the script leaves it; None if it leaves it as it is. `row` gives a lookup's row.
    /// Members that it does not change stay byte for byte, new ones come last.
    ///
    /// What passes the narrow bounds runs again within wider ones, in `room`: as a script is a function of
    /// what it is given, it can't be told from having run there at once.
    ///
    /// # Errors
    /// [`Error::Thread`] if the system gives no thread. Within: why the document must be refused.
    pub(crate) fn run<'a>(
        self: &Arc<Self>,
        document: &[u8],
        row: &dyn Fn(usize) -> Option<&'a [u8]>,
        room: &mut Room,
    ) -> Result<Result<Option<Vec<u8>>, String>, Error> {
        let rows: Vec<Option<&[u8]>> = self.rows.iter().map(|(_, at)| row(*at)).collect();
        let from = bounds::first(rows.iter().flatten().copied().chain([document]));
        if from == 0 {
            match self.run_within(0, document, &rows) {
                Ok(done) => return Ok(Ok(done)),
                Err(Stopped::Refused(reason)) => return Ok(Err(reason)),
                Err(Stopped::TooLarge(..)) => {}
            }
        }
        room.run(self, from.max(1), document, &rows)
    }

    /// Runs it within ever wider bounds.
    fn run_from(
        &self,
        from: usize,
        document: &[u8],
        rows: &[Option<&[u8]>],
    ) -> Result<Option<Vec<u8>>, String> {
        let mut level = from;
        loop {
            match self.run_within(level, document, rows) {
                Ok(done) => return Ok(done),
                Err(Stopped::TooLarge(bound, reason)) => {
                    level = bound.wider(level).ok_or(reason)?;
                }
                Err(Stopped::Refused(reason)) => return Err(reason),
            }
        }
    }

    fn run_within(
        &self,
        level: usize,
        document: &[u8],
        rows: &[Option<&[u8]>],
    ) -> Result<Option<Vec<u8>>, Stopped> {
        // A fault of the language's engine refuses one document.
        let run = std::panic::AssertUnwindSafe(|| self.evaluate(level, document, rows));
        std::panic::catch_unwind(run)
            .unwrap_or_else(|_| Err(Stopped::Refused("script: its engine failed".to_owned())))
    }

    fn evaluate(
        &self,
        level: usize,
        document: &[u8],
        rows: &[Option<&[u8]>],
    ) -> Result<Option<Vec<u8>>, Stopped> {
        let before = value::object(document)?;
        let mut scope = Scope::new();
        scope.push_dynamic(DOCUMENT, Dynamic::from_map(before.clone()));
        for ((name, _), row) in self.rows.iter().zip(rows) {
            let row = row.map(|row| value::read(trim(row))).transpose()?;
            scope.push_dynamic(name.as_str(), row.unwrap_or(Dynamic::UNIT));
        }
        let ran = self.engines.0[level].run_ast_with_scope(&mut scope, &self.program);
        ran.map_err(|error| stopped(error, &BOUNDS[level]))?;
        let after = scope.get(DOCUMENT).map(Dynamic::flatten_clone);
        let Some(after) = after.and_then(Dynamic::try_cast::<Map>) else {
            return Err(Stopped::Refused("script: `doc` is no object any more".to_owned()));
        };
        Ok(rewritten(document, &before, &after).map_err(|reason| format!("script: {reason}"))?)
    }
}

fn place(position: Position) -> (u64, u64) {
    let number = |n: Option<usize>| n.map_or(1, |n| u64::try_from(n).unwrap_or(1));
    (number(position.line()), number(position.position()))
}

fn stopped(mut error: Box<EvalAltResult>, bounds: &Bounds) -> Stopped {
    let line = error.take_position().line();
    let inner = error.unwrap_inner();
    let too_large = match inner {
        EvalAltResult::ErrorDataTooLarge(what, _) if what.contains("string") => Some(Bound::Text),
        EvalAltResult::ErrorDataTooLarge(..) => Some(Bound::Values),
        _ => None,
    };
    let text = match inner {
        EvalAltResult::ErrorDataTooLarge(what, _) => {
            let (values, megabytes) = (bounds.values, bounds.text >> 20);
            format!(
                "{what} too large: a value has at most {values} values in lists, as many in objects, and \
                 {megabytes} MB of text"
            )
        }
        EvalAltResult::ErrorTooManyOperations(_) => {
            let most = bounds.operations;
            format!("more than {most} operations, the most there are for values of this size")
        }
        _ => error.to_string(),
    };
    let text: String = text.chars().take(REASON).map(|c| if c == '\n' { ' ' } else { c }).collect();
    let text = match line {
        Some(line) => format!("script, line {line}: {text}"),
        None => format!("script: {text}"),
    };
    match too_large {
        Some(bound) => Stopped::TooLarge(bound, text),
        None => Stopped::Refused(text),
    }
}

/// The document with what differs between the two.
fn rewritten(document: &[u8], before: &Map, after: &Map) -> Result<Option<Vec<u8>>, String> {
    let kept = |name: &str| {
        before.get(name).zip(after.get(name)).is_some_and(|(old, new)| value::same(old, new))
    };
    if before.len() == after.len() && before.keys().all(|name| kept(name)) {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(document.len() + 64);
    out.push(b'{');
    let comma = |out: &mut Vec<u8>| {
        if out.len() > 1 {
            out.push(b',');
        }
    };
    let mut members = Members::of(document).ok_or("the source isn't a json object")?;
    while let Some(member) = members.advance().map_err(|error| error.to_string())? {
        let decoded = decode(&document[member.name.clone()]);
        let name = std::str::from_utf8(&decoded).map_err(|error| error.to_string())?;
        let Some(new) = after.get(name) else { continue };
        comma(&mut out);
        if kept(name) {
            push_clean(&mut out, &document[member.start..member.end]);
        } else {
            push_clean(&mut out, &document[member.start..member.value.start]);
            value::push(&mut out, new, 1)?;
            push_clean(&mut out, &document[member.value.end..member.end]);
        }
    }
    for (name, new) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
        comma(&mut out);
        push_quoted(&mut out, name.as_bytes());
        out.push(b':');
        value::push(&mut out, new, 1)?;
    }
    out.push(b'}');
    Ok(Some(out))
}
