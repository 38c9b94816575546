//! The outline of a file: which key and value stands where, in bytes.
//!
//! The one walk over the parser's events. What a file means is read from the outline, and
//! where it says so is there for messages and for splicing. It also refuses what YAML has and these files do
//! not: anchors, aliases, tags, merge keys, a second document, and sheer size.

use std::ops::Range;

use granit_parser::{self as granit, ErrorKind, Event, Parser, ScalarStyle};

use super::{Fault, MAX_DEPTH, MAX_NODES, MAX_TEXT_BYTES, Place, path_text};
use crate::error::Result;

/// A scalar or collection of a file. Two are equal if they say the same, wherever they stand.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it starts, for messages.
    pub place: Place,
    /// The bytes it covers: with quotes and brackets, without comments after it.
    pub span: Range<usize>,
    /// What it says.
    pub data: Data,
}

/// What a [`Node`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// One value, as text.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Keys, each a scalar, and their values.
    Map(Vec<(Node, Node)>),
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.data == other.data
    }
}

impl Eq for Node {}

impl Node {
    /// Returns the text of a scalar.
    pub fn text(&self) -> &str {
        if let Data::Scalar(text) = &self.data { text } else { "" }
    }

    /// Returns the keys and values of a map.
    pub fn entries(&self) -> &[(Node, Node)] {
        if let Data::Map(entries) = &self.data { entries } else { &[] }
    }

    /// Returns the entry of a map.
    pub fn find(&self, key: &str) -> Option<&(Self, Self)> {
        self.entries().iter().find(|(name, _)| name.text() == key)
    }

    /// Follows keys, each below the one before it, as far as they are there. Returns how many
    /// that are, and where the last of them stands.
    pub fn deepest(&self, keys: &[&str]) -> (usize, Place) {
        let (mut node, mut place) = (self, Place::START);
        for (found, key) in keys.iter().enumerate() {
            let Some((name, value)) = node.find(key) else { return (found, place) };
            (node, place) = (value, name.place);
        }
        (keys.len(), place)
    }
}

/// Outlines a file. `None` if it is empty, or nothing but comments.
pub(super) fn outline(text: &str) -> Result<Option<Node>, Fault> {
    let options = granit::options! { disallow_directives: true, flow_nesting_limit: MAX_DEPTH };
    let mut builder =
        Builder { text, open: Vec::new(), root: None, documents: 0, nodes: 0, size: 0 };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| {
            let (what, hint) = explain(error.kind());
            builder.fault(place(error.marker()), what).hint(hint)
        })?;
        builder.take(event, span)?;
    }
    Ok(builder.root)
}

/// A collection that has not ended yet, and the key whose value comes next.
struct Open {
    node: Node,
    key: Option<Node>,
}

struct Builder<'a> {
    text: &'a str,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
    size: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: granit::Span) -> Result<(), Fault> {
        let place = place(&span.start);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Fault::new(place, "", "a second document starts here")
                        .hint("remove the line `---`, or what follows it"));
                }
            }
            Event::Scalar(value, style, anchor, tag) => {
                self.check(place, anchor, tag.is_some())?;
                let span = trimmed(self.text, span.byte_range().unwrap_or_default());
                self.scalar(Node { place, span, data: Data::Scalar(value.into_owned()) }, style)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.start(place, &span, anchor, tag.is_some(), Data::Map(Vec::new()))?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.start(place, &span, anchor, tag.is_some(), Data::List(Vec::new()))?;
            }
            Event::MappingEnd | Event::SequenceEnd => self.end(&span),
            Event::Alias(_) => return Err(self.no_alias(place)),
            _ => {}
        }
        Ok(())
    }

    fn scalar(&mut self, node: Node, style: ScalarStyle) -> Result<(), Fault> {
        self.size += node.text().len();
        if self.size > MAX_TEXT_BYTES {
            return Err(self.fault(node.place, "the file holds more than 64 KiB of text"));
        }
        if style == ScalarStyle::Plain {
            if self.open.is_empty() && node.span.is_empty() {
                return Ok(()); // `---` and nothing else: an empty file
            }
            if matches!(node.text(), "" | "~" | "null" | "Null" | "NULL") {
                return Err(self
                    .fault(node.place, "there is no value here")
                    .hint("an empty text is '', and the word null is 'null', with its quotes"));
            }
            if node.text() == "<<" && self.at_key() {
                return Err(self
                    .fault(node.place, "merge keys are not supported")
                    .hint("write the keys out"));
            }
        }
        self.add(node);
        Ok(())
    }

    fn start(
        &mut self,
        place: Place,
        span: &granit::Span,
        anchor: usize,
        tagged: bool,
        data: Data,
    ) -> Result<(), Fault> {
        self.check(place, anchor, tagged)?;
        if self.at_key() {
            return Err(self.fault(place, "a list or a map cannot be a key"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.fault(place, "this is nested too deeply"));
        }
        let span = span.byte_range().unwrap_or_default();
        self.open.push(Open { node: Node { place, span, data }, key: None });
        Ok(())
    }

    fn end(&mut self, span: &granit::Span) {
        let Some(Open { mut node, key: _ }) = self.open.pop() else { return };
        let last = match &node.data {
            Data::List(items) => items.last(),
            Data::Map(entries) => entries.last().map(|(_, value)| value),
            Data::Scalar(_) => None,
        };
        // A block has no closing bracket; the parser lets it run on over comments.
        let end = span.byte_range().filter(|end| !end.is_empty()).map(|end| end.end);
        node.span.end = end.or(last.map(|last| last.span.end)).unwrap_or(node.span.end);
        self.add(node);
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node) {
        let Some(Open { node: parent, key }) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut parent.data {
            Data::List(items) => items.push(node),
            Data::Map(entries) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => *key = Some(node),
            },
            Data::Scalar(_) => {}
        }
    }

    fn at_key(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| matches!(open.node.data, Data::Map(_)) && open.key.is_none())
    }

    fn check(&mut self, place: Place, anchor: usize, tagged: bool) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.fault(place, "the file holds more than 5000 keys and values"));
        }
        if anchor != 0 {
            return Err(self.no_alias(place));
        }
        if tagged {
            return Err(self
                .fault(place, "tags are not supported")
                .hint("remove the word that starts with `!`, or put the value in quotes"));
        }
        Ok(())
    }

    fn no_alias(&self, place: Place) -> Fault {
        let (what, hint) = explain(&ErrorKind::UnknownAnchor);
        self.fault(place, what).hint(hint)
    }

    /// Makes a fault that names the keys which are open.
    fn fault(&self, place: Place, what: &str) -> Fault {
        let keys: Vec<&str> =
            self.open.iter().filter_map(|open| open.key.as_ref()).map(Node::text).collect();
        Fault::new(place, path_text(&keys), what)
    }
}

fn place(marker: &granit::Marker) -> Place {
    Place::new(marker.line(), marker.col() + 1)
}

/// Leaves out the blank lines that the parser counts to a block of text.
fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let len = text.get(span.clone()).unwrap_or_default().trim_end().len();
    span.start..span.start + len
}

/// Says in mima's words what the parser has found. Its own words may quote the file.
fn explain(kind: &ErrorKind) -> (&'static str, &'static str) {
    match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation => ("a tab stands where spaces belong", "indent with spaces"),
        ErrorKind::DirectiveDisallowed => {
            ("directives are not supported", "remove the line that starts with `%`")
        }
        ErrorKind::UnclosedQuotedScalar => ("a quote is never closed", ""),
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::MismatchedFlowCollectionEnd { .. }
        | ErrorKind::MisplacedFlowCollectionEnd => ("the brackets do not match", ""),
        ErrorKind::RecursionLimitExceeded => ("this is nested too deeply", ""),
        ErrorKind::UnknownAnchor => (
            "anchors and aliases are not supported",
            "write the value out; one that starts with `&` or `*` goes in quotes",
        ),
        ErrorKind::UndeclaredTagHandle => {
            ("tags are not supported", "put a value that starts with `!` in quotes")
        }
        ErrorKind::UnexpectedCharacter { .. } => {
            ("a character cannot stand here", "put the value in quotes")
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
            ("a colon cannot stand here", "put a value that holds `: ` in quotes")
        }
        _ => ("this is not valid YAML", "check the indentation, the quotes and the colons"),
    }
}
