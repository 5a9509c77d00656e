//! Scripts: small programs that change a document.
//!
//! A script is a function of the document and the rows of earlier lookups: it has no clock, no
//! randomness, no files, no network and no output, and what it may use is bounded. It is compiled
//! once. Numbers keep their value: whole ones of 64 bits and decimal ones of up to 28 digits can be
//! computed with; any other is carried along as it is spelled, and can't be computed with.

mod value;

use std::sync::Arc;

use rhai::packages::{Package, StandardPackage};
use rhai::{AST, Dynamic, Engine, EvalAltResult, Map, OptimizationLevel, Position, Scope};
use segue_model::recipe::Script;

use crate::Error;
use crate::json::{Members, decode, push_clean, push_quoted, trim};

/// The name that scripts call the document by.
const DOCUMENT: &str = "doc";

/// Most operations of one run.
const OPERATIONS: u64 = 100_000;
/// Deepest calls of functions.
const CALLS: usize = 32;
/// Deepest nesting of expressions: at the top, and in a function.
const EXPRESSIONS: (usize, usize) = (64, 32);
/// Longest text, and all texts of a value together, bytes.
const TEXT_BYTES: usize = 16 << 20;
/// Most values in a list and all lists within it, and most members in an object and all within it. It
/// bounds also how deep values can be nested, and what copying one costs.
const VALUES: usize = 5_000;
/// Values are measured and taken apart with a call for each level. This holds the deepest ones that
/// the bounds allow, some ten thousand levels; only what is used of it is real.
const STACK_BYTES: usize = 64 << 20;
/// Most variables at a time.
const VARIABLES: usize = 256;
/// Most functions of a script.
const FUNCTIONS: usize = 64;
/// Longest reason that is repeated, characters.
const REASON: usize = 300;

/// What there is in the language, but not here: all that speaks, waits, or makes programs of texts.
const ABSENT: [&str; 3] = ["print", "debug", "eval"];

/// A script with none of these can't nest values deeper than the document and its own text do.
const REPEATS: [&str; 9] = ["loop", "while", "for", "do", "fn", "Fn", "call", "reduce", "|"];

/// A script, ready to run.
#[derive(Debug)]
pub(crate) struct ScriptRule {
    engine: Arc<Engine>,
    program: AST,
    /// Whether it may need more stack than a thread has.
    roomy: bool,
    /// The lookups that it names, with their places.
    rows: Vec<(String, usize)>,
}

/// The engine that all scripts of a pipeline run in.
pub(crate) fn engine() -> Arc<Engine> {
    let mut engine = Engine::new_raw();
    StandardPackage::new().register_into_engine(&mut engine);
    engine
        .set_optimization_level(OptimizationLevel::Simple)
        .set_strict_variables(true)
        .set_max_operations(OPERATIONS)
        .set_max_call_levels(CALLS)
        .set_max_expr_depths(EXPRESSIONS.0, EXPRESSIONS.1)
        .set_max_string_size(TEXT_BYTES)
        .set_max_array_size(VALUES)
        .set_max_map_size(VALUES)
        .set_max_variables(VARIABLES)
        .set_max_functions(FUNCTIONS);
    engine.register_type_with_name::<value::Exact>("number that is not computed with");
    for name in ABSENT {
        engine.disable_symbol(name);
    }
    engine.register_fn("sleep", |_: rhai::INT| -> Result<(), Box<EvalAltResult>> {
        Err("there is no `sleep`".into())
    });
    Arc::new(engine)
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
        engine: &Arc<Engine>,
        lookups: &[&str],
    ) -> Result<Self, Error> {
        // Variables and no constants: the values of these would be compiled in.
        let mut scope = Scope::new();
        scope.push_dynamic(DOCUMENT, Dynamic::from_map(Map::new()));
        for name in lookups {
            scope.push_dynamic(*name, Dynamic::UNIT);
        }
        let program = engine.compile_with_scope(&scope, &script.code).map_err(|error| {
            let (line, column) = place(error.position());
            let problem = error.err_type().to_string();
            Error::Script { script: Box::new(script.clone()), line, column, problem }
        })?;
        let named = lookups.iter().enumerate().filter(|(_, name)| mentions(&script.code, name));
        let rows = named.map(|(at, name)| ((*name).to_owned(), at)).collect();
        let roomy = REPEATS.iter().any(|word| script.code.contains(word));
        Ok(Self { engine: Arc::clone(engine), program, roomy, rows })
    }

    /// The places of the lookups whose rows it reads.
    pub(crate) fn reads(&self) -> impl Iterator<Item = usize> {
        self.rows.iter().map(|(_, at)| *at)
    }

    /// The document as the script leaves it; None if it leaves it as it is. `row` gives a lookup's row.
    /// Members that it does not change stay byte for byte, new ones come last.
    ///
    /// # Errors
    /// [`Error::Thread`] if the system gives no thread. Within: why the document must be refused.
    pub(crate) fn run<'a>(
        &self,
        document: &[u8],
        row: &dyn Fn(usize) -> Option<&'a [u8]>,
    ) -> Result<Result<Option<Vec<u8>>, String>, Error> {
        let rows: Vec<_> = self.rows.iter().map(|(name, at)| (name.as_str(), row(*at))).collect();
        if !self.roomy {
            return Ok(self.run_here(document, &rows));
        }
        std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
            let run = || self.run_here(document, &rows);
            let thread = builder.spawn_scoped(scope, run).map_err(Error::Thread)?;
            Ok(thread.join().unwrap_or_else(|_| Err("script: its engine failed".to_owned())))
        })
    }

    fn run_here(
        &self,
        document: &[u8],
        rows: &[(&str, Option<&[u8]>)],
    ) -> Result<Option<Vec<u8>>, String> {
        let before = value::object(document)?;
        let mut scope = Scope::new();
        scope.push_dynamic(DOCUMENT, Dynamic::from_map(before.clone()));
        for (name, row) in rows {
            let row = row.map(|row| value::read(trim(row))).transpose()?;
            scope.push_dynamic(*name, row.unwrap_or(Dynamic::UNIT));
        }
        self.engine.run_ast_with_scope(&mut scope, &self.program).map_err(reason)?;
        let after = scope.get(DOCUMENT).map(Dynamic::flatten_clone);
        let Some(after) = after.and_then(Dynamic::try_cast::<Map>) else {
            return Err("script: `doc` is no object any more".to_owned());
        };
        rewritten(document, &before, &after).map_err(|reason| format!("script: {reason}"))
    }
}

fn place(position: Position) -> (u64, u64) {
    let number = |n: Option<usize>| n.map_or(1, |n| u64::try_from(n).unwrap_or(1));
    (number(position.line()), number(position.position()))
}

fn reason(mut error: Box<EvalAltResult>) -> String {
    let line = error.take_position().line();
    let text = error.to_string();
    let text: String = text.chars().take(REASON).map(|c| if c == '\n' { ' ' } else { c }).collect();
    match line {
        Some(line) => format!("script, line {line}: {text}"),
        None => format!("script: {text}"),
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
