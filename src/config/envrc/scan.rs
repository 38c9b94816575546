//! Where a line of a shell ends, quotes and all, and whether it stands for itself.

/// How deep brackets may be nested.
const MAX_DEPTH: usize = 50;
/// Words after which a command begins.
const BEFORE_COMMANDS: &[&str] =
    &["if", "then", "else", "elif", "while", "until", "do", "{", "!", "time"];
/// Words that begin something larger, and that end it.
const OPENING: &[&str] = &["if", "for", "while", "until", "case", "select"];
const CLOSING: &[&str] = &["fi", "done", "esac", "}"];

/// A line, with those that belong to it.
pub(super) struct Line<'a> {
    /// All of it.
    pub text: &'a str,
    /// Its first and last line, from 1.
    pub first: usize,
    pub last: usize,
    /// Whether it is part of something larger: it may be run or not, or more than once.
    pub is_inside: bool,
}

impl Line<'_> {
    /// Tells whether there is nothing in it but a comment.
    pub(super) fn is_blank(&self) -> bool {
        let text = self.text.trim();
        text.is_empty() || text.starts_with('#') && !text.contains('\n')
    }
}

pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    /// How many larger things are open.
    open: usize,
    /// Whether the line before goes on: `a &&`.
    goes_on: bool,
    /// How the texts end that begin on the next line.
    here: Vec<(String, bool)>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1, open: 0, goes_on: false, here: Vec::new() }
    }

    pub(super) fn next_line(&mut self) -> Option<Line<'a>> {
        if self.at >= self.text.len() {
            return None;
        }
        let (start, first) = (self.at, self.line);
        let was_inside = self.open > 0 || self.goes_on;
        let mut words = Words::default();
        // What never ends, or is nested too deep, is one line to the end.
        if self.skip(None, 0, &mut words).is_none() {
            self.at = self.text.len();
            words.is_larger = true;
        }
        words.finish();
        self.goes_on = words.ends_open;
        self.open = (self.open + words.opened).saturating_sub(words.closed);
        words.is_larger |= self.skip_here_texts();
        let text = self.text.get(start..self.at).unwrap_or_default();
        let breaks = text.matches('\n').count();
        self.line = first + breaks;
        let last = if text.ends_with('\n') { first + breaks - 1 } else { first + breaks };
        // Behind a backslash, the last line break belongs to the line.
        let text = match text.strip_suffix('\n') {
            Some(line) if self.at < self.text.len() || !line.ends_with('\\') => line,
            _ => text,
        };
        let is_inside = was_inside || self.open > 0 || words.is_larger || self.goes_on;
        Some(Line { text, first, last, is_inside })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Goes to the end of the line, or behind the bracket that closes. `None` if there is none.
    fn skip(&mut self, close: Option<char>, depth: usize, words: &mut Words) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut inner = Words::default();
        let mut is_start = true;
        loop {
            let words = if close.is_some() { &mut inner } else { &mut *words };
            let Some(c) = self.take() else { return close.is_none().then_some(()) };
            let was_start = std::mem::replace(&mut is_start, " \t\n;&|()<>".contains(c));
            match c {
                _ if Some(c) == close => return Some(()),
                '\n' if close.is_none() => return Some(()),
                '\\' => {
                    self.take();
                    words.blur();
                }
                '\'' => {
                    self.at += self.rest().find('\'')? + 1;
                    words.blur();
                }
                '"' => {
                    self.skip_double(depth + 1)?;
                    words.blur();
                }
                '`' => {
                    while self.take()? != '`' {}
                    words.blur();
                }
                '#' if was_start => {
                    let rest = self.rest();
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                '$' if self.rest().starts_with('{') => {
                    self.take();
                    self.skip(Some('}'), depth + 1, words)?;
                    words.blur();
                }
                '$' if self.rest().starts_with('\'') => {
                    self.take();
                    loop {
                        match self.take()? {
                            '\'' => break,
                            '\\' => drop(self.take()),
                            _ => {}
                        }
                    }
                    words.blur();
                }
                '(' => {
                    self.skip(Some(')'), depth + 1, words)?;
                    words.operator('(');
                }
                '<' if self.rest().starts_with('<') && !self.rest().starts_with("<<") => {
                    self.take();
                    // Inside of brackets, its text is not where the line ends.
                    if close.is_some() {
                        return None;
                    }
                    self.here.extend(here_end(self.rest()));
                    words.operator('<');
                }
                '<' if self.rest().starts_with("<<") => {
                    self.at += 2;
                    words.operator('<');
                }
                ';' | '&' | '|' | '<' | '>' | ')' => words.operator(c),
                c if c.is_whitespace() => words.end(),
                c => words.word.push(c),
            }
        }
    }

    fn skip_double(&mut self, depth: usize) -> Option<()> {
        loop {
            match self.take()? {
                '"' => return Some(()),
                '\\' => {
                    self.take();
                }
                '`' => while self.take()? != '`' {},
                '$' if self.rest().starts_with('(') => {
                    self.take();
                    self.skip(Some(')'), depth + 1, &mut Words::default())?;
                }
                '$' if self.rest().starts_with('{') => {
                    self.take();
                    self.skip(Some('}'), depth + 1, &mut Words::default())?;
                }
                _ => {}
            }
        }
    }

    /// Steps over the texts that the line has announced. Tells whether there were any.
    fn skip_here_texts(&mut self) -> bool {
        let texts = std::mem::take(&mut self.here);
        for (end, is_indented) in &texts {
            loop {
                let rest = self.rest();
                let Some(line) = rest.split_inclusive('\n').next() else { break };
                self.at += line.len();
                let line = line.trim_end_matches('\n');
                let line = if *is_indented { line.trim_start_matches('\t') } else { line };
                if line == end {
                    break;
                }
            }
        }
        !texts.is_empty()
    }
}

/// Reads the word that ends a text, from behind `<<`.
fn here_end(rest: &str) -> Option<(String, bool)> {
    let (rest, is_indented) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
    let word = rest.trim_start_matches([' ', '\t']);
    let word = word.split(|c: char| c.is_whitespace() || ";&|<>()".contains(c)).next()?;
    let word: String = word.chars().filter(|c| !"'\"\\".contains(*c)).collect();
    Some((word, is_indented))
}

/// The words of a line, as far as they tell whether something larger begins or ends.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that a word before has said")]
struct Words {
    word: String,
    /// Whether part of the word is quoted, so that it is none of the shell's own.
    is_blurred: bool,
    /// Whether no command can begin here.
    is_argument: bool,
    /// Whether the last that came was an operator that wants more.
    ends_open: bool,
    opened: usize,
    closed: usize,
    is_larger: bool,
}

impl Words {
    fn blur(&mut self) {
        self.is_blurred = true;
    }

    fn operator(&mut self, c: char) {
        self.end();
        self.is_argument = "<>".contains(c);
        self.ends_open = "|&".contains(c);
    }

    fn end(&mut self) {
        let word = std::mem::take(&mut self.word);
        let is_blurred = std::mem::take(&mut self.is_blurred);
        if word.is_empty() && !is_blurred {
            return;
        }
        self.ends_open = false;
        let word = if is_blurred { "" } else { &word };
        let is_command = !self.is_argument;
        if word == "{" || is_command && OPENING.contains(&word) {
            self.opened += 1;
        }
        if is_command && CLOSING.contains(&word) {
            self.closed += 1;
            self.is_larger = true;
        }
        self.is_argument = !(is_command && BEFORE_COMMANDS.contains(&word) || word == "{");
    }

    fn finish(&mut self) {
        self.end();
        self.is_larger |= self.opened > 0;
    }
}
