//! The words of a plain command, where no shell is needed to tell what they are.

use super::super::imported::Value;

/// A word.
#[derive(Default)]
pub(super) struct Word {
    /// What it is.
    pub value: Value,
    /// What of it stands before the first quote or reference.
    pub bare: String,
    /// Whether it is a pattern for names of files.
    pub has_pattern: bool,
}

/// Splits a command into its words. Fails with what it would need a shell for.
pub(super) fn split(text: &str) -> Result<Vec<Word>, &'static str> {
    let mut reader =
        Reader { rest: text, words: Vec::new(), word: None, is_bare: true, is_start: false };
    while let Some(c) = reader.take() {
        reader.character(c)?;
    }
    reader.end();
    Ok(reader.words)
}

struct Reader<'a> {
    rest: &'a str,
    words: Vec<Word>,
    word: Option<Word>,
    /// Whether the word had neither quotes nor references so far.
    is_bare: bool,
    /// Whether the character before lets a `~` be the home directory: in an assignment, the `=`
    /// and each `:`.
    is_start: bool,
}

impl Reader<'_> {
    fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        Some(c)
    }

    fn end(&mut self) {
        self.words.extend(self.word.take());
        self.is_bare = true;
    }

    fn word(&mut self) -> &mut Word {
        self.word.get_or_insert_default()
    }

    fn push(&mut self, text: &str) {
        let is_bare = self.is_bare;
        let word = self.word();
        word.value.push(text);
        if is_bare {
            word.bare.push_str(text);
        }
    }

    fn character(&mut self, c: char) -> Result<(), &'static str> {
        let is_start = std::mem::take(&mut self.is_start) || self.word.is_none();
        match c {
            ' ' | '\t' | '\r' => self.end(),
            '#' if self.word.is_none() => self.rest = "",
            '\'' => {
                let (inside, rest) = self.rest.split_once('\'').ok_or("a quote is not closed")?;
                self.rest = rest;
                self.quoted();
                self.push(inside);
            }
            '"' => self.double()?,
            // The line goes on.
            '\\' if self.rest.starts_with('\n') => drop(self.take()),
            '\\' => {
                self.quoted();
                let c = self.take().ok_or("it ends in a backslash")?;
                self.push(c.encode_utf8(&mut [0; 4]));
            }
            '$' => self.dollar(false)?,
            '~' if is_start => {
                if !self.rest.is_empty() && !self.rest.starts_with(['/', ' ', '\t', ':']) {
                    return Err("it has the home directory of somebody in it");
                }
                self.quoted();
                self.word().value.push_var("HOME");
            }
            '`' => return Err("it runs a command"),
            ';' | '&' | '|' | '<' | '>' | '(' | ')' | '\n' => {
                return Err("it is more than a plain command");
            }
            '{' => return Err("it stands for several words"),
            '*' | '?' | '[' => {
                self.push(c.encode_utf8(&mut [0; 4]));
                self.word().has_pattern = true;
            }
            c => {
                let is_assignment = self.word.as_ref().is_some_and(|word| word.bare.contains('='));
                self.is_start = match c {
                    '=' => self.is_bare && !is_assignment,
                    _ => c == ':' && is_assignment,
                };
                self.push(c.encode_utf8(&mut [0; 4]));
            }
        }
        Ok(())
    }

    fn quoted(&mut self) {
        self.is_bare = false;
        self.word();
    }

    fn double(&mut self) -> Result<(), &'static str> {
        self.quoted();
        loop {
            match self.take().ok_or("a quote is not closed")? {
                '"' => return Ok(()),
                '`' => return Err("it runs a command"),
                '$' => self.dollar(true)?,
                '\\' if self.rest.starts_with('\n') => drop(self.take()),
                '\\' if self.rest.starts_with(['$', '`', '"', '\\']) => {
                    let c = self.take().unwrap_or('\\');
                    self.push(c.encode_utf8(&mut [0; 4]));
                }
                c => self.push(c.encode_utf8(&mut [0; 4])),
            }
        }
    }

    /// Reads what comes after a dollar sign.
    fn dollar(&mut self, is_quoted: bool) -> Result<(), &'static str> {
        self.quoted();
        let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (inside, is_closed) = match self.rest.strip_prefix('{') {
            Some(inside) => (inside, false),
            None => (self.rest, true),
        };
        let end = inside.find(|c| !is_name(c)).unwrap_or(inside.len());
        let (name, rest) = inside.split_at(end);
        if !name.starts_with(is_start) {
            return match self.rest.chars().next() {
                Some('(') => Err("it runs a command"),
                Some('\'' | '"') if !is_quoted => Err("it has quotes that only a shell reads"),
                // A backslash may join the dollar sign to what is on the next line.
                Some(c) if is_name(c) || "{@*#?-$!\\".contains(c) => {
                    Err("it needs a shell to know a value")
                }
                _ => {
                    self.push("$");
                    Ok(())
                }
            };
        }
        self.rest = if is_closed {
            if rest.starts_with("\\\n") {
                return Err("it needs a shell to know a value");
            }
            rest
        } else {
            rest.strip_prefix('}').ok_or("it needs a shell to know a value")?
        };
        self.word().value.push_var(name);
        Ok(())
    }
}
