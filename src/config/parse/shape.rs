//! Reads values of a certain shape from the outline: texts, lists, and keys with values.

use std::collections::BTreeSet;

use super::outline::{Data, Node};
use super::{Fault, Located};
use crate::error::Result;

impl Node {
    /// Lends a single value out as text.
    pub fn scalar(&self) -> Result<&str, Fault> {
        match &self.data {
            Data::Scalar(text) => Ok(text),
            _ => {
                Err(self.fault("a single value belongs here").hint("put no list and no keys here"))
            }
        }
    }

    /// Reads a single value as it is written. YAML can write a NUL; nothing else can take one.
    pub fn string(&self) -> Result<String, Fault> {
        let text = self.scalar()?;
        if text.contains('\0') {
            return Err(self.fault("a NUL cannot be in this"));
        }
        Ok(text.to_owned())
    }

    /// Reads one value by a rule, and keeps its place.
    pub fn one<T>(&self, rule: impl Fn(&Self) -> Result<T, Fault>) -> Result<Located<T>, Fault> {
        Ok(Located { value: rule(self)?, place: self.place })
    }

    /// Reads a list, every item by the same rule.
    pub fn list<T>(
        &self,
        rule: impl Fn(&Self) -> Result<T, Fault>,
    ) -> Result<Vec<Located<T>>, Fault> {
        match &self.data {
            Data::List(items) => items.iter().map(|item| item.one(&rule)).collect(),
            _ => Err(self
                .fault("a list belongs here")
                .hint("write [one, two], or [one] for a single item")),
        }
    }

    /// Goes through keys and their values in the order of the file. No key is there twice.
    pub fn map<'a>(
        &'a self,
        mut take: impl FnMut(&'a Self, &'a Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Data::Map(entries) = &self.data else {
            return Err(self
                .fault("keys with values belong here")
                .hint("write `KEY: value` lines"));
        };
        let mut seen = BTreeSet::new();
        for (key, value) in entries {
            let taken = if seen.insert(key.text()) {
                take(key, value)
            } else {
                Err(key.fault("this key is there twice").hint("remove one of them"))
            };
            taken.map_err(|fault| fault.under(key))?;
        }
        Ok(())
    }

    /// Says what is wrong with the value or key. [`Self::map`] adds the keys that lead there.
    pub fn fault(&self, what: impl Into<String>) -> Fault {
        Fault::new(self.place, "", what)
    }
}
