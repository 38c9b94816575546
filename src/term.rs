//! What reaches a screen: one sanitizer, and writing that survives a closed pipe.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::error::{Context, Failure, Kind, Result};

/// Makes text from outside fit to print: control characters (C0, C1, DEL), line breaks,
/// bidirectional and invisible characters are shown escaped. (threats: A15, J7)
pub fn sanitize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unprintable(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Makes a path fit to print, with the home directory as `~`.
pub fn path(path: &Path) -> String {
    match below_home(path) {
        Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Some(rest) => format!("~/{}", sanitize(&rest.to_string_lossy())),
        None => sanitize(&path.to_string_lossy()),
    }
}

/// Says how long something takes, by its two largest units: `1 h 58 min`.
pub fn duration(time: std::time::Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, rest) {
        (0, 0, rest) => format!("{rest} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, rest) => format!("{minutes} min {rest} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// Makes a path fit to paste: one word to every shell, with the home directory as `~`. Whoever
/// prints it still makes it fit to print.
pub fn word(path: &Path) -> String {
    let quoted = |text: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@,:".contains(c);
        if !text.is_empty() && text.chars().all(is_plain) {
            return text.to_owned();
        }
        // Only to be read and pasted; what is evaluated goes through `shell::quote`.
        format!("'{}'", text.replace('\'', r"'\''"))
    };
    match below_home(path) {
        Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        // A quoted tilde is none.
        Some(rest) => format!("~/{}", quoted(&rest.to_string_lossy())),
        None => quoted(&path.to_string_lossy()),
    }
}

/// Returns the rest of a path that is the home directory or in it.
fn below_home(path: &Path) -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| Path::new(home).is_absolute())?;
    path.strip_prefix(home).ok().map(Path::to_owned)
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Writes what was asked for to standard output, all of it or a failure. A reader that has
/// gone away is [`Kind::BrokenPipe`], which ends mima quietly. (threat J8)
pub fn print(bytes: &[u8]) -> Result<()> {
    if crate::sys::startup::was_closed(1) {
        return Err(Failure::failed("could not write to standard output: it is closed"));
    }
    // Not by `Write for Stdout`: it buffers, and a secret would stay behind in its buffer.
    let stdout = io::stdout();
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(&stdout, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::PIPE) => {
                return Err(Failure::new(Kind::BrokenPipe, "standard output was closed"));
            }
            Err(error) => return Err(error).context("could not write to standard output"),
        }
    }
    Ok(())
}

/// Writes each item on a line of its own.
pub fn print_lines(items: impl IntoIterator<Item = impl std::fmt::Display>) -> Result<()> {
    let mut lines = Vec::new();
    for item in items {
        // Writing to a vector cannot fail.
        writeln!(lines, "{item}").ok();
    }
    print(&lines)
}

/// Writes a JSON value, on lines of its own. What must not reach a screen raw is escaped as
/// JSON has it, so that whoever reads it still gets the same text. (threat J7)
pub fn print_json(value: &serde_json::Value) -> Result<()> {
    let mut text = String::new();
    for c in format!("{value:#}\n").chars() {
        if c != '\n' && is_unprintable(c) {
            text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    print(text.as_bytes())
}

/// Renders help for standard output: with its styles on a terminal, unless `NO_COLOR` is set.
pub fn styled(help: &clap::builder::StyledStr) -> String {
    if stdout_is_terminal() && !is_plain() { help.ansi().to_string() } else { help.to_string() }
}

/// Prints a failure on standard error.
pub fn report(failure: &Failure) {
    let mut lines = Vec::new();
    // Writing to a vector cannot fail.
    failure.report(&mut lines).ok();
    say(&String::from_utf8_lossy(&lines));
}

/// Tells the person something that is not what was asked for: on standard error, as
/// `mima: note`. That nobody may be reading is no failure.
pub fn note(message: &str) {
    say(&format!("mima: {}\n", sanitize(message)));
}

/// Mentions something that need not be read: as [`note`], dim on a terminal that shows it.
pub fn aside(message: &str) {
    let (dim, normal) = if is_plain() { ("", "") } else { ("\x1b[2m", "\x1b[0m") };
    say(&format!("{dim}mima: {}{normal}\n", sanitize(message)));
}

/// Shows what is going on, in a line that the next one replaces, and that [`running_ends`] takes
/// away. To be called only where standard error is a terminal; one that cannot go back in a line
/// shows nothing.
pub fn running(message: &str) {
    if is_dumb() {
        return;
    }
    let width = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col);
    let room = if width == 0 { 80 } else { usize::from(width) };
    let mut text = String::new();
    // The terminal shows a `^C` behind it, and what is in a second line would stay.
    let mut used = 3;
    for c in sanitize(&format!("mima: {message}")).chars() {
        // Where a character may take two columns, it is taken to.
        used += if c.is_ascii() { 1 } else { 2 };
        if used > room {
            break;
        }
        text.push(c);
    }
    let (dim, normal) = if is_plain() { ("", "") } else { ("\x1b[2m", "\x1b[0m") };
    say(&format!("\r{dim}{text}{normal}\x1b[K"));
}

/// Takes away the line that [`running`] has shown.
pub fn running_ends() {
    if !is_dumb() {
        say("\r\x1b[K");
    }
}

/// Adds what to do next to a [`note`].
pub fn hint(message: &str) {
    say(&format!("hint: {}\n", sanitize(message)));
}

/// Writes finished lines to standard error, in one piece.
pub fn say(lines: &str) {
    // A closed or full standard error leaves no place to say so.
    drop(io::stderr().write_all(lines.as_bytes()));
}

/// Tells whether the user wants no styles, or the terminal has none.
fn is_plain() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || is_dumb()
}

/// Tells whether the terminal understands nothing but text.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|value| value == "dumb")
}

/// Tells whether standard error is a terminal.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Tells whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_to_paste_is_one_word() {
        for (path, want) in [
            ("/p/.mima.yaml", "/p/.mima.yaml"),
            ("/a/b-1.age", "/a/b-1.age"),
            ("/a b/it's", r"'/a b/it'\''s'"),
            ("/a/~", "'/a/~'"),
            ("/a b/$(id)", "'/a b/$(id)'"),
            ("/it's", r"'/it'\''s'"),
            ("/=ls/~", "'/=ls/~'"),
        ] {
            assert_eq!(word(Path::new(path)), want);
        }
        let home = std::env::var_os("HOME").unwrap();
        assert_eq!(word(&Path::new(&home).join("a b")), "~/'a b'");
    }

    #[test]
    fn nothing_that_moves_the_cursor_or_reorders_text_is_printed() {
        assert_eq!(
            sanitize("a\x1b]0;x\x07\u{9b}2J\r\n\u{202e}b\u{200b}"),
            "a\\u{1b}]0;x\\u{7}\\u{9b}2J\\r\\n\\u{202e}b\\u{200b}"
        );
        assert_eq!(sanitize("plain – ünïcode › ✓"), "plain – ünïcode › ✓");
    }
}
