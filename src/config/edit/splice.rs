//! Where an edit cuts into a file, and what it puts there.
//!
//! `None` everywhere means: not a layout to cut into. Block entries come and go as whole
//! lines, together with the line break before them, so that a file without a final line
//! break stays one.

use std::ops::Range;

use super::super::parse::outline::Node;
use super::{Edit, GROUPS};

/// How much further a new line is indented than the one above it, if the file does not tell.
const STEP: usize = 2;
/// Words that other YAML readers take for something else than text.
const WORDS: &[&str] = &["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// Returns `text` with the edit in it.
pub(super) fn splice(text: &str, root: Option<&Node>, edit: &Edit) -> Option<String> {
    let source = Source { text, root };
    let Cut { range, new } = match edit {
        Edit::Link { group, var, secret } => {
            source.link(&[GROUPS, group.as_str(), var.as_str()], secret.as_str())?
        }
        Edit::Unlink { group, var } => {
            source.unlink(&[GROUPS, group.as_str(), var.as_str()], Comments::Stay)?
        }
        Edit::RemoveGroup { group } => source.unlink(&[GROUPS, group.as_str()], Comments::Go)?,
    };
    Some([text.get(..range.start)?, &new, text.get(range.end..)?].concat())
}

/// Returns `text` with a value added at the end of `path`, where there is none yet. The value is
/// YAML already.
pub(super) fn add(text: &str, root: Option<&Node>, path: &[&str], value: &str) -> Option<String> {
    let Cut { range, new } = Source { text, root }.add(path, value).ok()?;
    Some([text.get(..range.start)?, &new, text.get(range.end..)?].concat())
}

/// A piece of the file, and what takes its place.
struct Cut {
    range: Range<usize>,
    new: String,
}

/// What happens to comment lines inside of what is removed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comments {
    Stay,
    Go,
}

struct Source<'a> {
    text: &'a str,
    root: Option<&'a Node>,
}

impl Source<'_> {
    /// Sets the value at the end of `path`, and makes the keys on the way.
    fn link(&self, path: &[&str], value: &str) -> Option<Cut> {
        let node = match self.add(path, &written(value)) {
            Ok(cut) => return Some(cut),
            Err(there) => there?,
        };
        let quote = self.text.get(node.span.start..)?.chars().next()?;
        let new =
            if "'\"".contains(quote) { format!("{quote}{value}{quote}") } else { written(value) };
        Some(Cut { range: node.span.clone(), new })
    }

    /// Adds a value, which is YAML already, at the end of `path`, and makes the keys on the way.
    /// Fails with the value that is there, if there is one.
    fn add(&self, path: &[&str], value: &str) -> Result<Cut, Option<&Node>> {
        let Some(mut node) = self.root else {
            return Ok(self.append(&self.lines(0, STEP, path, value)));
        };
        let mut rest = path;
        while let [key, deeper @ ..] = rest {
            let Some((_, value_node)) = node.find(key) else {
                return self.insert(node, rest, value).ok_or(None);
            };
            (node, rest) = (value_node, deeper);
        }
        Err(Some(node))
    }

    /// Adds an entry to a map.
    fn insert(&self, map: &Node, keys: &[&str], value: &str) -> Option<Cut> {
        let last = map.entries().last().map(|(_, value)| value.span.end);
        if self.is_flow(map) {
            let entry = flow(keys, value)?;
            if let Some(end) = last {
                return Some(Cut { range: end..end, new: format!(", {entry}") });
            }
            let range = inside(map);
            let is_blank = self.text.get(range.clone())?.trim().is_empty();
            return is_blank.then(|| Cut { range, new: format!(" {entry} ") });
        }
        let column = self.column(map)?;
        let step = self.step(map).or_else(|| self.step(self.root?)).unwrap_or(STEP);
        let lines = self.lines(column, step, keys, value);
        if self.root.is_some_and(|root| root.span == map.span) {
            return Some(self.append(&lines));
        }
        let end = self.after_comments(self.line_end(last?), column);
        Some(Cut { range: end..end, new: lines })
    }

    /// Adds lines, each with its line break before it, at the end of the file.
    fn append(&self, lines: &str) -> Cut {
        let end = self.text.len() - self.break_before(self.text.len());
        if end == self.content_start() && end == self.text.len() {
            let new = format!("{}{}", lines.trim_start(), self.line_break());
            return Cut { range: end..end, new };
        }
        Cut { range: end..end, new: lines.to_owned() }
    }

    /// Removes the entry at the end of `path`, and every map that would be empty without it.
    fn unlink(&self, path: &[&str], comments: Comments) -> Option<Cut> {
        let mut node = self.root?;
        let mut doomed = None;
        for key in path {
            let index = node.entries().iter().position(|(name, _)| name.text() == *key)?;
            if doomed.is_none() || node.entries().len() > 1 {
                doomed = Some((node, index));
            }
            node = &node.entries().get(index)?.1;
        }
        let (map, index) = doomed?;
        self.remove(map, index, comments)
    }

    fn remove(&self, map: &Node, index: usize, comments: Comments) -> Option<Cut> {
        let (key, value) = map.entries().get(index)?;
        let entry = key.span.start..value.span.end;
        let lines = self.line_start(entry.start)..self.line_end(entry.end);
        let before = self.text.get(lines.start..entry.start)?;
        let mut after = self.text.get(entry.end..lines.end)?.trim_start();
        if self.is_flow(map) {
            after = after.strip_prefix(',').unwrap_or(after).trim_start();
        }
        if before.trim_matches(' ').is_empty() && (after.is_empty() || after.starts_with('#')) {
            return self.remove_lines(lines, comments);
        }
        if !self.is_flow(map) {
            return None;
        }
        let neighbour = |index| map.entries().get(index);
        let range = match (index.checked_sub(1).and_then(neighbour), neighbour(index + 1)) {
            (Some((_, previous)), _) => previous.span.end..entry.end,
            (None, Some((next, _))) => entry.start..next.span.start,
            (None, None) => inside(map),
        };
        let has_comment = self.text.get(range.clone())?.contains('#');
        (!has_comment).then(|| Cut { range, new: String::new() })
    }

    fn remove_lines(&self, mut lines: Range<usize>, comments: Comments) -> Option<Cut> {
        let is_kept =
            |line: &&str| comments == Comments::Stay && line.trim_start().starts_with('#');
        let kept: Vec<&str> = self.text.get(lines.clone())?.lines().filter(is_kept).collect();
        if kept.is_empty() {
            match self.break_before(lines.start) {
                0 => lines.end += self.break_after(lines.end),
                len => lines.start -= len,
            }
        }
        Some(Cut { range: lines, new: kept.join(self.line_break()) })
    }

    /// Writes keys as lines below each other, each with its line break before it, and the value,
    /// which is YAML already.
    fn lines(&self, column: usize, step: usize, keys: &[&str], value: &str) -> String {
        let mut out = String::new();
        for (depth, key) in keys.iter().enumerate() {
            out.push_str(self.line_break());
            out.push_str(&" ".repeat(column + depth * step));
            out.push_str(&written(key));
            out.push(':');
        }
        out + " " + value
    }

    /// Returns how far the entries of a block are indented.
    fn column(&self, block: &Node) -> Option<usize> {
        let start = block.entries().first()?.0.span.start;
        let indent = self.text.get(self.line_start(start)..start)?;
        indent.trim_matches(' ').is_empty().then_some(indent.len())
    }

    /// Returns how much further the blocks in a block are indented than itself.
    fn step(&self, block: &Node) -> Option<usize> {
        let column = self.column(block)?;
        let deeper = |(_, value): &(Node, Node)| {
            let inner = self.column(value).filter(|_| !self.is_flow(value))?;
            inner.checked_sub(column).filter(|step| *step > 0)
        };
        block.entries().iter().rev().find_map(deeper)
    }

    fn is_flow(&self, map: &Node) -> bool {
        self.text.as_bytes().get(map.span.start) == Some(&b'{')
    }

    /// Steps over the comment lines that follow and belong to a block at `column`.
    fn after_comments(&self, mut end: usize, column: usize) -> usize {
        loop {
            let start = end + self.break_after(end);
            let line = self.text.get(start..self.line_end(start)).unwrap_or_default();
            let text = line.trim_start_matches(' ');
            if start == end || !text.starts_with('#') || line.len() - text.len() < column {
                return end;
            }
            end = start + line.len();
        }
    }

    /// Returns where the file begins, after a byte order mark.
    fn content_start(&self) -> usize {
        self.text.len() - self.text.trim_start_matches('\u{feff}').len()
    }

    fn line_start(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default();
        before.rfind('\n').map_or(self.content_start(), |newline| newline + 1)
    }

    /// Returns where the line ends, before its line break.
    fn line_end(&self, at: usize) -> usize {
        let after = self.text.get(at..).unwrap_or_default();
        let line = after.split('\n').next().unwrap_or_default();
        at + line.strip_suffix('\r').unwrap_or(line).len()
    }

    /// Returns how long the line break is that ends at `at`.
    fn break_before(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default();
        if before.ends_with("\r\n") { 2 } else { usize::from(before.ends_with('\n')) }
    }

    /// Returns how long the line break is that starts at `at`.
    fn break_after(&self, at: usize) -> usize {
        let after = self.text.get(at..).unwrap_or_default();
        if after.starts_with("\r\n") { 2 } else { usize::from(after.starts_with('\n')) }
    }

    fn line_break(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }
}

/// Returns what is between the brackets of a flow map.
fn inside(map: &Node) -> Range<usize> {
    map.span.start + 1..map.span.end.saturating_sub(1)
}

/// Writes an entry in flow style: `dev: { A: x }`.
fn flow(keys: &[&str], value: &str) -> Option<String> {
    let (key, inner) = keys.split_first()?;
    let value = match inner {
        [] => value.to_owned(),
        inner => format!("{{ {} }}", flow(inner, value)?),
    };
    Some(format!("{}: {value}", written(key)))
}

/// Writes a name; in quotes if some reader would take it for a number or a word of YAML.
pub(super) fn written(name: &str) -> String {
    let is_odd = name.starts_with(|c: char| c.is_ascii_digit())
        || WORDS.iter().any(|word| word.eq_ignore_ascii_case(name));
    if is_odd { format!("'{name}'") } else { name.to_owned() }
}
