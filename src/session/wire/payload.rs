//! The parts that payloads are made of.

use std::time::Duration;

use super::{Fault, Vars, Wanted, Whose};
use crate::names::{GroupName, VarName};

const WHOSE: [Whose; 4] = [Whose::Shell, Whose::ShellAsTold, Whose::Terminal, Whose::Tree];

/// Writes the parts of a payload. Numbers are big-endian, text and lists begin with their length.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn flag(&mut self, flag: bool) {
        self.0.push(flag.into());
    }

    pub(super) fn number(&mut self, number: u32) {
        self.0.extend(number.to_be_bytes());
    }

    /// In milliseconds; what does not fit is as good as for ever.
    pub(super) fn time(&mut self, time: Duration) {
        self.0.extend(u64::try_from(time.as_millis()).unwrap_or(u64::MAX).to_be_bytes());
    }

    /// A length that does not fit belongs to what is too long for a frame anyway.
    fn len(&mut self, len: usize) {
        self.0.extend(u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.len(text.len());
        self.0.extend(text.as_bytes());
    }

    pub(super) fn list<T>(&mut self, list: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.len(list.len());
        for item in list {
            write(self, item);
        }
    }

    pub(super) fn whose(&mut self, whose: Whose) {
        let at = WHOSE.iter().position(|known| *known == whose).unwrap_or_default();
        self.0.push(u8::try_from(at).unwrap_or_default());
    }

    pub(super) fn wanted(&mut self, wanted: &Wanted) {
        self.text(wanted.group.as_str());
        self.0.extend(wanted.source);
        self.0.extend(wanted.state);
    }

    pub(super) fn vars(&mut self, vars: &Vars) {
        self.list(vars, |to, (name, len)| {
            to.text(name.as_str());
            to.number(*len);
        });
    }
}

/// Reads what a [`Writer`] wrote. `None` is a fault: what is missing, or has no meaning.
pub(super) struct Reader<'a>(&'a [u8]);

/// Reads a whole payload: nothing may be left of it.
pub(super) fn read<T>(
    payload: &[u8],
    message: impl FnOnce(&mut Reader) -> Option<T>,
) -> Result<T, Fault> {
    let mut from = Reader(payload);
    message(&mut from).filter(|_| from.0.is_empty()).ok_or(Fault::Malformed)
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn time(&mut self) -> Option<Duration> {
        self.array().map(u64::from_be_bytes).map(Duration::from_millis)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = self.array().map(u16::from_be_bytes)?;
        std::str::from_utf8(self.bytes(len.into())?).ok()
    }

    /// Takes memory for what is there, whatever the length says.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let len = self.array().map(u16::from_be_bytes)?;
        (0..len).map(|_| item(self)).collect()
    }

    pub(super) fn whose(&mut self) -> Option<Whose> {
        WHOSE.get(usize::from(self.byte()?)).copied()
    }

    pub(super) fn group(&mut self) -> Option<GroupName> {
        GroupName::parse(self.text()?).ok()
    }

    pub(super) fn wanted(&mut self) -> Option<Wanted> {
        Some(Wanted { group: self.group()?, source: self.array()?, state: self.array()? })
    }

    pub(super) fn vars(&mut self) -> Option<Vars> {
        self.list(|from| Some((VarName::parse(from.text()?).ok()?, from.number()?)))
    }
}
