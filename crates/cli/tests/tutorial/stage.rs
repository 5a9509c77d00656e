//! Where a page is lived through: a folder, an engine, names of its own.

use std::time::Duration;

use segue_testkit::{Engine, Method, Prefix, Segue};
use serde_json::Value;

/// The name that all names of the page begin with.
const NAME: &str = "shop";
/// The address that the page speaks of.
const ADDRESS: &str = "http://localhost:9200";
/// `segue` is what the test built; standard error and output come out as on a terminal, in their order.
const SHELL: &str = r#"cd "$1" && export PATH="$1/bin:$PATH" && exec 2>&1 && eval "$2""#;

/// A folder in which commands are given.
pub struct Stage {
    folder: tempfile::TempDir,
    engine: Engine,
    prefix: String,
}

impl Stage {
    /// An empty folder.
    pub fn new(engine: &Engine, prefix: &Prefix) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        let binary = folder.path().join("bin/segue");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_segue"), binary).unwrap();
        Stage { folder, engine: engine.clone(), prefix: prefix.as_str().to_owned() }
    }

    /// Carries a command out; what it says, and its exit code if that is not 0.
    pub fn command(&self, line: &str) -> String {
        let real = self.real(line);
        let told = match real.strip_prefix("curl ") {
            Some(request) => self.request(request),
            None => self.shell(&real),
        };
        self.plain(&told)
    }

    fn shell(&self, line: &str) -> String {
        let folder = self.folder.path().to_string_lossy().into_owned();
        let state = self.folder.path().join("state").to_string_lossy().into_owned();
        let ended = Segue::new("/bin/sh")
            .args(["-c", SHELL, "sh", &folder, line])
            .cluster(&self.engine.url)
            .env("SEGUE_STATE_DIR", &state)
            .within(Duration::from_secs(180))
            .run();
        let mut told = ended.stdout;
        if !told.is_empty() && !told.ends_with('\n') {
            told.push('\n');
        }
        if ended.code != Some(0) {
            let code = ended.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
            told.push_str(&format!("exit code {code}\n"));
        }
        told
    }

    /// `curl -s [-X METHOD] 'ADDRESS/path' [-H …] [-d 'body']`, as the page has it.
    fn request(&self, arguments: &str) -> String {
        let mut words = split(arguments).into_iter();
        let (mut method, mut body, mut path) = (None, None, None);
        while let Some(word) = words.next() {
            match word.as_str() {
                "-s" => {}
                "-H" => drop(words.next()),
                "-X" => method = words.next(),
                "-d" => body = words.next(),
                _ => path = Some(word),
            }
        }
        let path = path.unwrap();
        let path = path.strip_prefix(ADDRESS).unwrap();
        let body: Option<Value> = body.map(|text| serde_json::from_str(&text).unwrap());
        let default = if body.is_some() { Method::POST } else { Method::GET };
        let method = method.map_or(default, |name| name.parse().unwrap());
        let (_, answer) = self.engine.json.call(method, path, body.as_ref());
        format!("{answer}\n")
    }

    /// Makes an edit.
    pub fn edit(&self, lines: &str) {
        let (head, rest) = lines.split_once('\n').unwrap();
        let name = self.real(head.strip_prefix("--- ").unwrap());
        let file = self.folder.path().join(name);
        let mut text = std::fs::read_to_string(&file).unwrap();
        for place in rest.split("@@\n").filter(|place| !place.is_empty()) {
            let side = |without: char| -> String {
                let kept = place.lines().filter(|line| !line.starts_with(without));
                kept.map(|line| format!("{}\n", line.get(1..).unwrap_or_default())).collect()
            };
            let (old, new) = (self.real(&side('+')), self.real(&side('-')));
            assert_eq!(text.matches(&old).count(), 1, "not there once:\n{old}\nin\n{text}");
            text = text.replacen(&old, &new, 1);
        }
        std::fs::write(file, text).unwrap();
    }

    /// The page's names as they are in the engine: the prefix before each word that begins with the name.
    fn real(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(NAME) {
            let (before, after) = rest.split_at(at);
            out.push_str(before);
            let inside = out.ends_with(|c: char| c.is_ascii_alphanumeric());
            if !inside {
                out.push_str(&self.prefix);
            }
            out.push_str(NAME);
            rest = &after[NAME.len()..];
        }
        out.push_str(rest);
        out
    }

    /// What was said, in the page's names.
    fn plain(&self, text: &str) -> String {
        text.replace(&self.prefix, "").replace(&self.engine.url, ADDRESS)
    }
}

/// Words of a command line; single quotes keep them together.
fn split(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (at, piece) in text.split('\'').enumerate() {
        if at % 2 == 1 {
            words.last_mut().unwrap().push_str(piece);
            continue;
        }
        for (at, word) in piece.split(' ').enumerate() {
            if at > 0 {
                words.push(String::new());
            }
            words.last_mut().unwrap().push_str(word);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
