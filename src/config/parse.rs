//! Reads a configuration file: bounded, strict, and without ever quoting it.
//!
//! A line of these files may hold a secret that somebody put there by mistake, so no message
//! repeats text from them; the most that is shown is a key that has the form of a name. All
//! of YAML stays behind this module. (threats: C1–C6)

pub mod outline;
mod shape;

use crate::error::{Failure, Result};
use crate::names::{self, GroupName, VarName};
use outline::Node;

/// The largest file. Real ones have a few hundred bytes. (threat A12)
pub const MAX_FILE_BYTES: u64 = 256 << 10;
/// How much text all values of a file may have together.
const MAX_TEXT_BYTES: usize = 64 * 1024;
/// How many keys, values and collections a file may have.
const MAX_NODES: usize = 5000;
/// How deep collections may be nested.
const MAX_DEPTH: usize = 16;
/// The longest key that a message shows; beyond that it may be anything.
const MAX_SHOWN: usize = 40;

/// A kind of file: which keys it has, and what stands under each. It starts empty.
pub trait Document: Default {
    /// The keys that such a file has besides `groups`.
    const KEYS: &'static [&'static str];
    /// The key that is looked at before all others, wherever it stands.
    const FIRST: Option<&'static str> = None;

    /// Checks the value of a top-level key and takes it in.
    fn set(&mut self, key: &Node, value: &Node) -> Result<(), Fault>;

    /// Says what is wrong with a top-level key that this file does not have, and what to
    /// do, if there is more to say than that it is unknown.
    fn explain(key: &str) -> Option<(String, String)>;
}

/// Parses a file. `label` is what messages call it: `~/.mima.yaml`.
pub fn parse<T: Document>(bytes: &[u8], label: &str) -> Result<T> {
    document(bytes).map_err(|fault| fault.in_file(label))
}

fn document<T: Document>(bytes: &[u8]) -> Result<T, Fault> {
    let mut file = T::default();
    if let (_, Some(root)) = read(bytes)? {
        if let Some((key, value)) =
            root.entries().iter().find(|(key, _)| Some(key.text()) == T::FIRST)
        {
            file.set(key, value).map_err(|fault| fault.under(key))?;
        }
        root.map(|key, value| file.set(key, value))?;
    }
    Ok(file)
}

/// Checks what is forbidden in every file, and returns its text and outline.
pub(super) fn read(bytes: &[u8]) -> Result<(&str, Option<Node>), Fault> {
    let text = text(bytes)?;
    Ok((text, outline::outline(text)?))
}

/// Checks that a file is text, and no more than one can have in mind.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Fault> {
    if u64::try_from(bytes.len()).map_or(true, |len| len > MAX_FILE_BYTES) {
        return Err(Fault::new(Place::START, "", "the file is larger than 256 KiB"));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Fault::new(place_of(bytes, e.valid_up_to()), "", "this is not UTF-8 text"))?;
    if let Some(nul) = bytes.iter().position(|byte| *byte == 0) {
        return Err(Fault::new(place_of(bytes, nul), "", "a NUL byte is not text"));
    }
    Ok(text)
}

/// Finds the key to which these keys lead, each below the one before it.
pub fn locate(bytes: &[u8], keys: &[&str]) -> Option<Place> {
    let (found, place) = read(bytes).ok()?.1?.deepest(keys);
    (found == keys.len()).then_some(place)
}

/// Counts lines and columns up to `offset`.
fn place_of(bytes: &[u8], offset: usize) -> Place {
    let before = String::from_utf8_lossy(bytes.get(..offset).unwrap_or_default());
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place::new(line, column)
}

/// Says what is wrong with a key that the file does not have.
pub(super) fn unknown<T: Document>(key: &Node) -> Fault {
    match T::explain(key.text()) {
        Some((what, hint)) => key.fault(what).hint(hint),
        None => unknown_key(key, &[&["groups"], T::KEYS].concat()),
    }
}

/// Says that a key is none of `known`.
pub(super) fn unknown_key(key: &Node, known: &[&str]) -> Fault {
    let hint = match names::nearest(key.text(), known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys are: {}", known.join(", ")),
    };
    key.fault("an unknown key").hint(hint)
}

/// A position in a file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Whether the file is the one that was laid over the other.
    pub is_local: bool,
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Place {
    /// The first character of a file.
    pub const START: Self = Self::new(1, 1);

    /// Makes a place in the file that is being read.
    pub const fn new(line: usize, column: usize) -> Self {
        Self { is_local: false, line, column }
    }
}

/// What is wrong in a file, and where. Holds no text of the file but names.
#[derive(Debug)]
pub struct Fault {
    place: Place,
    path: String,
    what: String,
    hint: String,
}

impl Fault {
    /// Says that `what` is wrong at `place` with the key at `path` (see [`path_text`]).
    pub fn new(place: Place, path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place, path: path.into(), what: what.into(), hint: String::new() }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Says that the fault is in the value of `key`, or in the key itself.
    fn under(mut self, key: &Node) -> Self {
        let key = path_text(&[key.text()]);
        self.path = if self.path.is_empty() { key } else { format!("{key}.{}", self.path) };
        self
    }

    /// Turns the fault into a failure that names the one of two files it is in.
    pub fn in_either(self, file: &str, local: &str) -> Failure {
        let label = if self.place.is_local { local } else { file };
        self.in_file(label)
    }

    /// Turns the fault into a failure: `file:line:column: key: what is wrong`.
    pub fn in_file(self, label: &str) -> Failure {
        let Place { line, column, .. } = self.place;
        let key = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        let failure = Failure::failed(format!("{label}:{line}:{column}: {key}{}", self.what));
        if self.hint.is_empty() { failure } else { failure.hint(self.hint) }
    }
}

/// Joins keys for a message: `groups.dev.DATABASE_URL`. A key that has not the form of a
/// short name may be a secret in the wrong place, and is shown as `…`.
pub fn path_text(keys: &[&str]) -> String {
    let shown = |key: &&str| {
        let is_name = VarName::parse(key).is_ok() || GroupName::parse(key).is_ok();
        if is_name && key.len() <= MAX_SHOWN { (*key).to_owned() } else { "…".to_owned() }
    };
    keys.iter().map(shown).collect::<Vec<_>>().join(".")
}

/// A value and where it stands. Two are equal if they say the same, wherever they stand.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands in the file.
    pub place: Place,
}

impl<T> Located<T> {
    /// Says that the value is from the file that is laid over another.
    #[must_use]
    pub(super) fn local(mut self) -> Self {
        self.place.is_local = true;
        self
    }
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Located<T> {}

/// A value as written: never a number or a boolean.
pub type Text = Located<String>;

#[cfg(test)]
pub(super) mod tests {
    use super::super::project::ProjectFile;
    use super::super::user::UserFile;
    use super::*;
    use proptest::prelude::*;

    /// Returns what mima says about a file, without its own name.
    pub(in super::super) fn message<T: Document>(bytes: &[u8]) -> String {
        let Err(failure) = parse::<T>(bytes, "f") else { panic!("no error: {bytes:?}") };
        let mut out = Vec::new();
        failure.report(&mut out).unwrap();
        String::from_utf8(out).unwrap().trim_start_matches("mima: ").trim_end().to_owned()
    }

    #[test]
    fn what_is_wrong_is_said_with_line_column_and_key() {
        for (text, want) in [
            ("env:\n  A: b\n  A: c", "f:3:3: env.A: this key is there twice"),
            ("env: {A: b}\nenv: {}", "f:2:1: env: this key is there twice"),
            ("env:\n  A:\n  B: c", "f:2:4: env.A: there is no value here"),
            ("env: {A: ~}", "f:1:10: env.A: there is no value here"),
            ("env: {A: NULL}", "f:1:10: env.A: there is no value here"),
            ("env:", "f:1:4: env: there is no value here"),
            ("source_up: null", "f:1:12: source_up: there is no value here"),
            ("wrap: [a, ]\nunset: [~]", "f:2:9: unset: there is no value here"),
            ("env: {null: a}", "f:1:7: env: there is no value here"),
            ("env: &a {A: b}", "f:1:9: env: anchors and aliases are not supported"),
            ("env: {A: *b}", "f:1:10: env.A: anchors and aliases are not supported"),
            ("env:\n  <<: {A: b}", "f:2:3: env: merge keys are not supported"),
            ("env: {A: !!str b}", "f:1:16: env.A: tags are not supported"),
            ("env: {A: !b c}", "f:1:13: env.A: tags are not supported"),
            ("!!map {env: {}}", "f:1:7: tags are not supported"),
            ("env: {}\n---\nenv: {}", "f:2:1: a second document starts here"),
            ("env:\n\tA: b", "f:2:2: env: a tab stands where spaces belong"),
            ("env: {[A]: b}", "f:1:7: env: a list or a map cannot be a key"),
            ("text", "f:1:1: keys with values belong here"),
            ("wrap:\n  A: b", "f:2:3: wrap: a list belongs here"),
            ("env:\n  A:\n    - b", "f:3:5: env.A: a single value belongs here"),
            ("unset:\n  - |\nenv: {}", "f:3:1: unset: this is no name for a variable"),
            ("env: {A: b, 'A': c}", "f:1:13: env.A: this key is there twice"),
            ("groups: {1: {}, \"1\": {}}", "f:1:17: groups.1: this key is there twice"),
            ("unset: [a b]\nenvv: {}", "f:1:9: unset: this is no name for a variable"),
            ("env: {A: 'b}", "f:1:10: env.A: a quote is never closed"),
            ("env: {A: [b}", "f:1:10: env.A: the brackets do not match"),
            ("env: {A: @b}", "f:1:10: env.A: a character cannot stand here"),
            ("env:\n  A: b: c", "f:2:7: env: a colon cannot stand here"),
            ("groups:\n  a/b: {}", "f:2:3: groups.…: this is no name for a group"),
            ("groups: {a: {B: c d}}", "f:1:17: groups.a.B: this is no name for a secret"),
            (
                "groups: {a: {IFS: b}}",
                "f:1:14: groups.a.IFS: this variable steers the shell or mima: no file may set it",
            ),
            ("groups: {a: {}, A: {}}", "f:1:17: groups.A: `A` differs from `a` only in case"),
            ("groups: {a: {B: x, b: X}}", "f:1:23: groups.a.b: `X` differs from `x` only in case"),
        ] {
            let said = message::<ProjectFile>(text.as_bytes());
            assert_eq!(said.lines().next(), Some(want), "{text}");
        }
        assert_eq!(message::<UserFile>(b"#\n# \xc3\xa9\xff"), "f:2:4: this is not UTF-8 text");
        assert_eq!(message::<UserFile>(b"# a\n#\0"), "f:2:2: a NUL byte is not text");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t_c6_no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(parse::<ProjectFile>(&bytes, "f"));
        }

        #[test]
        fn t_c6_nor_does_almost_yaml(text in "(groups|env|A|[ -~]|é|: |, |\\{|\\}|\\[|\\]|\n|\r|  |- |---\n|\\? |\\||>|'|\"|#|&a|\\*a|!|\t|\u{0}|\u{feff}){0,40}") {
            drop(parse::<ProjectFile>(text.as_bytes(), "f"));
            drop(parse::<UserFile>(text.as_bytes(), "f"));
        }
    }
}
