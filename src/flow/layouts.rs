//! What the layouts of a project come to.

use super::Layer;
use super::plan::Evaluation;
use crate::config::expand::expand;
use crate::config::layout::Layout;
use crate::config::parse::{Fault, Located, Place};
use crate::error::{Failure, Result};
use crate::names::VarName;
use crate::secret::Secret;
use crate::term;

impl Evaluation<'_> {
    /// Does what each layout says. Returns what the user should know: one that has nothing to
    /// work with yet is left out.
    pub(super) fn layouts(&mut self) -> Result<Vec<Failure>, Fault> {
        let mut notices = Vec::new();
        for Located { value: layout, place } in &self.layer.file.layout {
            match missing(self.layer, layout) {
                Some(notice) => notices.push(notice),
                None => self.layout(layout, *place)?,
            }
        }
        Ok(notices)
    }

    fn layout(&mut self, layout: &Layout, place: Place) -> Result<(), Fault> {
        let own = self.directory(layout.dir.as_bytes(), place, "layout")?;
        for (name, text) in layout.vars {
            let dir =
                |_: &str| Some(std::os::unix::ffi::OsStrExt::as_bytes(own.as_os_str()).to_vec());
            let value = expand(text, &dir).map_err(|problem| problem.fault(place, "layout"))?;
            self.plan.vars.insert(named(name, place)?, Some(Secret::new(value)));
        }
        for (name, entries) in layout.lists {
            let entries = entries.iter().map(|entry| {
                self.directory(format!("{}/{entry}", layout.dir).as_bytes(), place, "layout")
            });
            let entries = entries.collect::<Result<_, _>>()?;
            self.put_in_front(named(name, place)?, entries);
        }
        for name in layout.unset {
            self.plan.vars.insert(named(name, place)?, None);
        }
        Ok(())
    }
}

/// Says what a layout has nothing to work with without, if it is not there.
pub(super) fn missing(layer: &Layer, layout: &Layout) -> Option<Failure> {
    let (file, how) = layout.needs?;
    let dir = layer.dir.join(layout.dir);
    (!dir.join(file).exists()).then(|| {
        let what = format!("there is no {} for layout {}", term::path(&dir), layout.name);
        Failure::failed(what).hint(how)
    })
}

/// The names of the table are well-formed.
fn named(name: &str, place: Place) -> Result<VarName, Fault> {
    VarName::parse(name).map_err(|_| Fault::new(place, "layout", "this is no name for a variable"))
}
