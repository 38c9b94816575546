//! What a file of another tool does, in words that a project file has.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::dotenv;
use super::parse::Fault;
use crate::error::Result;
use crate::names::VarName;

/// One thing that a file says, where, and what of it a project file can say.
pub struct Statement {
    /// The line it starts on.
    pub first: usize,
    /// The line it ends on.
    pub last: usize,
    /// What it does, or why that is not translated.
    pub what: Result<Does, String>,
}

/// What a statement does.
#[derive(Clone)]
pub enum Does {
    /// Sets variables.
    Set(Vec<(VarName, Value)>),
    /// Puts directories in front of a list variable.
    Prepend(String, Vec<Value>),
    /// Adds items to a list of the project file.
    Append(&'static str, Vec<Value>),
    /// Loads the project file above first.
    SourceUp,
    /// Loads a flake.
    UseFlake(Value),
    /// Nothing that a project file would not do anyway.
    Nothing,
}

impl Does {
    /// The values of what sets no variable.
    pub fn values(&self) -> &[Value] {
        match self {
            Self::Prepend(_, values) | Self::Append(_, values) => values,
            Self::UseFlake(value) => std::slice::from_ref(value),
            Self::Set(_) | Self::SourceUp | Self::Nothing => &[],
        }
    }
}

/// A part of a value. Texts are wiped: they may be a secret's.
#[derive(Clone)]
pub enum Piece {
    /// Text as it is.
    Text(Zeroizing<String>),
    /// What a variable holds.
    Var {
        /// Its name.
        name: String,
        /// Whether it may be unset, and then stands for nothing.
        may_be_unset: bool,
    },
}

/// A value that may refer to variables.
#[derive(Clone, Default)]
pub struct Value(pub Vec<Piece>);

impl Value {
    /// A value of text alone.
    pub fn text(text: &str) -> Self {
        let mut value = Self::default();
        value.push(text);
        value
    }

    /// Appends text.
    pub fn push(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.0.push(Piece::Text(Zeroizing::new(text.to_owned()))),
        }
    }

    /// Appends what a variable holds.
    pub fn push_var(&mut self, name: &str) {
        self.0.push(Piece::Var { name: name.to_owned(), may_be_unset: false });
    }

    /// The variables that it refers to.
    pub fn vars(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Var { name, .. } => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// Returns the text, if it refers to nothing.
    pub fn plain(&self) -> Option<Zeroizing<String>> {
        self.with(&BTreeMap::new())
    }

    /// Returns the text with the variables filled in, if all of them are known.
    pub fn with(&self, known: &BTreeMap<String, Zeroizing<String>>) -> Option<Zeroizing<String>> {
        let mut parts = Vec::new();
        for piece in &self.0 {
            parts.push(match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Var { name, .. } => known.get(name)?.as_str(),
            });
        }
        Some(Zeroizing::new(parts.concat()))
    }

    /// Writes it as a value of a project file.
    pub fn template(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::new());
        for piece in &self.0 {
            match piece {
                Piece::Var { name, may_be_unset } => {
                    out.extend(["${", name, if *may_be_unset { ":-}" } else { "}" }]);
                }
                Piece::Text(text) => {
                    let mut chars = text.chars().peekable();
                    while let Some(c) = chars.next() {
                        out.push(c);
                        // What comes next decides what a dollar sign is, so it is not left to it.
                        if c == '$' && matches!(chars.peek(), None | Some('$' | '{')) {
                            out.push('$');
                        }
                    }
                }
            }
        }
        out
    }
}

/// Reads a dotenv file.
pub fn of_dotenv(bytes: &[u8]) -> Result<Vec<Statement>, Fault> {
    let mut statements = Vec::new();
    for entry in dotenv::parse(bytes)? {
        let what = of_entry(&entry)?
            .map(|value| Does::Set(vec![(entry.name.clone(), value)]))
            .ok_or_else(|| "a reference with a default".to_owned());
        statements.push(Statement { first: entry.place.line, last: entry.last_line, what });
    }
    Ok(statements)
}

/// Takes the value of an entry apart. `None` if it has a default that would be lost.
fn of_entry(entry: &dotenv::Entry) -> Result<Option<Value>, Fault> {
    let names = std::cell::RefCell::new(Vec::new());
    // No file holds a NUL, so this marks each reference.
    let marked = entry.value(&|name| {
        names.borrow_mut().push(name.to_owned());
        Some(format!("\0{name}\0").into_bytes())
    })?;
    let marked = Zeroizing::new(String::from_utf8_lossy(&Zeroizing::new(marked)).into_owned());
    for unset in names.take() {
        // Set to nothing it is set, and what has a default takes that.
        let is_set = |name: &str| (name != unset).then(|| format!("\0{name}\0").into_bytes());
        if entry.value(&is_set).is_ok() {
            return Ok(None);
        }
    }
    let mut value = Value::default();
    for (at, part) in marked.split('\0').enumerate() {
        if at % 2 == 0 { value.push(part) } else { value.push_var(part) }
    }
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotenv_values_become_templates_that_say_the_same() {
        let text = "A=1\nB=\"x$A-${A}\"\nC='a$$b${c}$'\n\nD=\"two\nlines\"\nE=${F:-g}\nG=$H/$\n";
        let statements = of_dotenv(text.as_bytes()).unwrap();
        let shown: Vec<_> = statements
            .iter()
            .map(|s| match &s.what {
                Ok(Does::Set(vars)) => {
                    let (name, value) = &vars[0];
                    format!("{}-{} {name}={}", s.first, s.last, *value.template())
                }
                Ok(_) => unreachable!("a dotenv file only sets"),
                Err(why) => format!("{}-{} {why}", s.first, s.last),
            })
            .collect();
        assert_eq!(
            shown,
            [
                "1-1 A=1",
                "2-2 B=x${A}-${A}",
                "3-3 C=a$$$b$${c}$$",
                "5-6 D=two\nlines",
                "7-7 a reference with a default",
                "8-8 G=${H}/$$",
            ]
        );
        assert_eq!(
            of_dotenv(b"A='x").err().map(|f| f.in_file("f").to_string()).unwrap(),
            "f:1:3: a quote is never closed"
        );
    }

    #[test]
    fn a_value_is_filled_in_only_when_all_of_it_is_known() {
        let mut value = Value::text("a");
        value.push_var("B");
        assert!(value.plain().is_none());
        let known = BTreeMap::from([("B".to_owned(), Zeroizing::new("b$".to_owned()))]);
        assert_eq!(*value.with(&known).unwrap(), "ab$");
        assert_eq!(value.vars().collect::<Vec<_>>(), ["B"]);
    }
}
