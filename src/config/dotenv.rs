//! Dotenv files: bytes in, names and values out.
//!
//! The dialect is what the readers of such files agree on; README has it as a table. Where they
//! read the same text as different values it is an error, or what most of them read. Nothing of
//! a line is ever in a message, not even the name: a line may be half of a key. (threat C5)

use super::expand::{Form, Problem, expand_as};
use super::parse::{self, Fault, Place};
use crate::error::Result;
use crate::names::VarName;

/// How many variables a file may set. (threat C2)
const MAX_ENTRIES: usize = 5000;
/// What may stand around names and values. A CR is at the end of each line that Windows wrote.
const BLANKS: [char; 3] = [' ', '\t', '\r'];
/// What to do about a value that cannot stand bare.
const QUOTE: &str = "put the value in single quotes";

/// One variable that a file sets.
#[derive(Debug)]
pub struct Entry {
    /// Its name, which may be any: what it may do is judged where it is loaded.
    pub name: VarName,
    /// Where the value starts, on the line of the name.
    pub place: Place,
    /// The line on which it ends.
    pub last_line: usize,
    text: String,
    form: Form,
}

impl Entry {
    /// Returns the value. What it refers to is looked up now.
    pub fn value(&self, lookup: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<Vec<u8>, Fault> {
        expand_as(self.form, &self.text, lookup).map_err(|problem| match problem {
            Problem::Unset(_) => {
                Fault::new(self.place, "", "a variable that this value refers to is not set")
                    .hint("with a default: ${VAR:-default}; for dollar signs, single quotes")
            }
            problem => problem.fault(self.place, ""),
        })
    }
}

/// Reads a file: what it sets, in its order. Where it sets a variable twice, the last one counts.
pub fn parse(bytes: &[u8]) -> Result<Vec<Entry>, Fault> {
    let text = parse::text(bytes)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { text, at: 0, line: 1 };
    let mut entries = Vec::new();
    while reader.at < text.len() {
        let place = reader.place(0);
        entries.extend(reader.entry()?);
        if entries.len() > MAX_ENTRIES {
            let what = format!("the file sets more than {MAX_ENTRIES} variables");
            return Err(Fault::new(place, "", what));
        }
    }
    Ok(entries)
}

struct Reader<'a> {
    text: &'a str,
    /// How much of it has been taken.
    at: usize,
    /// The number of the line there.
    line: usize,
}

impl<'a> Reader<'a> {
    /// Takes a line, and those after it that belong to its value.
    fn entry(&mut self) -> Result<Option<Entry>, Fault> {
        let line = self.line();
        let text = line.trim_start_matches(BLANKS);
        let start = line.len() - text.len();
        if text.is_empty() || text.starts_with('#') {
            self.take(line.len());
            self.end_line()?;
            return Ok(None);
        }
        let Some((head, value)) = line.split_once('=') else {
            return Err(self
                .fault(start, "this is neither KEY=value nor a comment")
                .hint("a value of several lines goes in quotes, and a comment starts with #"));
        };
        let name = VarName::parse(name(head.trim_matches(BLANKS)))
            .map_err(|_| self.fault(start, "this is no name for a variable").hint(VarName::RULE))?;
        let value = value.trim_start_matches(BLANKS);
        let start = line.len() - value.len();
        let place = self.place(start);
        let form = match value.chars().next() {
            Some('\'') => Form::Single,
            Some('"') => Form::Double,
            Some('`') => {
                return Err(self
                    .fault(start, "programs disagree on what a backtick means")
                    .hint(QUOTE));
            }
            _ => Form::Bare,
        };
        self.take(start);
        let text = match form {
            Form::Single => self.quoted('\''),
            Form::Double => self.quoted('"'),
            Form::Bare | Form::Yaml => Some(bare(self.take(value.len()))),
        };
        let text = text.ok_or_else(|| Fault::new(place, "", "a quote is never closed"))?;
        let last_line = self.line;
        self.end_line()?;
        Ok(Some(Entry { name, place, last_line, text: text.replace("\r\n", "\n"), form }))
    }

    /// Takes what is between two quotes. In double ones, a backslash saves what is behind it.
    fn quoted(&mut self, quote: char) -> Option<&'a str> {
        self.take(1);
        let mut is_saved = false;
        let is_end = |c: char| {
            let is_end = c == quote && !is_saved;
            is_saved = c == '\\' && quote == '"' && !is_saved;
            is_end
        };
        let end = self.rest().find(is_end)?;
        let text = self.take(end);
        self.take(1);
        Some(text)
    }

    /// Takes the rest of a line, in which no more than a comment may stand.
    fn end_line(&mut self) -> Result<(), Fault> {
        let line = self.line();
        let text = line.trim_start_matches(BLANKS);
        let start = line.len() - text.len();
        if !text.is_empty() && (start == 0 || !text.starts_with('#')) {
            return Err(self
                .fault(start, "text follows the quote that closes the value")
                .hint("put all of the value in the quotes, and a blank before a comment"));
        }
        let rest = self.rest();
        self.take(rest.find('\n').map_or(rest.len(), |end| end + 1));
        Ok(())
    }

    /// What has not been taken yet.
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// What of that is on the same line.
    fn line(&self) -> &'a str {
        self.rest().lines().next().unwrap_or_default()
    }

    /// Takes that many bytes.
    fn take(&mut self, len: usize) -> &'a str {
        let taken = self.rest().get(..len).unwrap_or_default();
        self.at += len;
        self.line += taken.matches('\n').count();
        taken
    }

    /// Says what is wrong that many bytes further on in the line.
    fn fault(&self, ahead: usize, what: &str) -> Fault {
        Fault::new(self.place(ahead), "", what)
    }

    fn place(&self, ahead: usize) -> Place {
        let before = self.text.get(..self.at + ahead).unwrap_or_default();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Place::new(self.line, column)
    }
}

/// Leaves out `export` before a name, which a shell needs to read the same file.
fn name(head: &str) -> &str {
    let name = head.strip_prefix("export").filter(|rest| rest.starts_with(BLANKS));
    name.map_or(head, |name| name.trim_start_matches(BLANKS))
}

/// Leaves out a comment, and the blanks around a value. Only a `#` after a blank starts one.
fn bare(value: &str) -> &str {
    let mut is_after_blank = true;
    let is_comment = |c: char| {
        let is_comment = c == '#' && is_after_blank;
        is_after_blank = BLANKS.contains(&c);
        is_comment
    };
    let end = value.find(is_comment).unwrap_or(value.len());
    value.get(..end).unwrap_or_default().trim_end_matches(BLANKS)
}

#[cfg(test)]
#[path = "dotenv_tests.rs"]
mod tests;
