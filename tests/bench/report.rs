//! What was measured: tables for people and the README, and the limits that were missed.

use std::fmt::Write;
use std::path::Path;

/// What the README has around the tables.
const MARKS: [&str; 2] = ["<!-- bench -->\n", "<!-- /bench -->"];

/// Tables in Markdown, and what is above its limit.
#[derive(Default)]
pub(crate) struct Report {
    text: String,
    missed: Vec<String>,
}

impl Report {
    /// Begins a table.
    pub(crate) fn table(&mut self, head: &[&str]) {
        let rule: String =
            head.iter().enumerate().map(|(i, _)| [" --: |", "---|"][usize::from(i == 0)]).collect();
        let start = if self.text.is_empty() { "" } else { "\n" };
        writeln!(self.text, "{start}| {} |\n|{rule}", head.join(" | ")).unwrap();
    }

    /// Adds a row: what it is about, and numbers, as far as there are any.
    pub(crate) fn row(&mut self, what: &str, numbers: &[Option<f64>]) {
        let number = |number: &Option<f64>| match number {
            Some(number) if number.fract() == 0.0 || *number >= 10.0 => format!("{number:.0}"),
            Some(number) => format!("{number:.2}"),
            None => "–".to_owned(),
        };
        let numbers: Vec<_> = numbers.iter().map(number).collect();
        writeln!(self.text, "| {what} | {} |", numbers.join(" | ")).unwrap();
    }

    /// Notes that something is above its limit, if it is.
    pub(crate) fn limit(&mut self, what: &str, is: f64, most: f64) {
        if is > most {
            self.missed.push(format!("{what}: {is:.2}, at most {most}"));
        }
    }

    /// Notes that something is below what it must be, if it is.
    pub(crate) fn at_least(&mut self, what: &str, is: f64, least: f64) {
        if is < least {
            self.missed.push(format!("{what}: {is:.2}, at least {least}"));
        }
    }

    /// The tables.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What is above its limit.
    pub(crate) fn missed(&self) -> &[String] {
        &self.missed
    }

    /// Puts the tables into a page, between its marks.
    pub(crate) fn write_into(&self, page: &Path) {
        let old = std::fs::read_to_string(page).unwrap();
        let (before, rest) = old.split_once(MARKS[0]).unwrap();
        let (_, after) = rest.split_once(MARKS[1]).unwrap();
        let new = [before, MARKS[0], "\n", &self.text, "\n", MARKS[1], after].concat();
        std::fs::write(page, new).unwrap();
    }
}
