//! The layouts: what a kind of project needs in its environment, as data. Nothing is run.

use super::parse::Fault;
use super::parse::outline::Node;
use crate::error::Result;
use crate::names::nearest;

/// What a kind of project needs. Its texts may refer to its directory as `${DIR}`.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// What a project file calls it.
    pub name: &'static str,
    /// Its directory, from the one of the project.
    pub dir: &'static str,
    /// Variables that it sets.
    pub vars: &'static [(&'static str, &'static str)],
    /// Directories that it puts in front of lists, from its own directory.
    pub lists: &'static [(&'static str, &'static [&'static str])],
    /// Variables that it unsets.
    pub unset: &'static [&'static str],
    /// A file in its directory without which it is of no use, and what makes it.
    pub needs: Option<(&'static str, &'static str)>,
}

/// All of them. Where direnv installs into a directory, it is this one too, so that what is
/// installed there is found.
static LAYOUTS: [Layout; 6] = [
    Layout {
        name: "go",
        dir: ".direnv/go",
        vars: &[("GOBIN", "${DIR}/bin")],
        lists: &[("GOPATH", &["."]), ("PATH", &["bin"])],
        unset: &[],
        needs: None,
    },
    Layout {
        name: "node",
        dir: "node_modules",
        vars: &[],
        lists: &[("PATH", &[".bin"])],
        unset: &[],
        needs: None,
    },
    Layout {
        name: "perl",
        dir: ".direnv/perl5",
        vars: &[
            ("LOCAL_LIB", "${DIR}"),
            ("PERL_MB_OPT", "--install_base \"${DIR}\""),
            ("PERL_MM_OPT", "INSTALL_BASE=\"${DIR}\""),
        ],
        lists: &[("PATH", &["bin"]), ("PERL5LIB", &["lib/perl5"]), ("PERL_LOCAL_LIB_ROOT", &["."])],
        unset: &[],
        needs: None,
    },
    Layout {
        name: "php",
        dir: "vendor",
        vars: &[],
        lists: &[("PATH", &["bin"])],
        unset: &[],
        needs: None,
    },
    Layout {
        name: "python",
        dir: ".venv",
        vars: &[("VIRTUAL_ENV", "${DIR}")],
        lists: &[("PATH", &["bin"])],
        unset: &["PYTHONHOME"],
        needs: Some(("pyvenv.cfg", "python3 -m venv .venv")),
    },
    Layout {
        name: "ruby",
        dir: ".direnv",
        vars: &[("BUNDLE_BIN", "${DIR}/bin"), ("GEM_HOME", "${DIR}/ruby")],
        lists: &[("PATH", &["bin", "ruby/bin"])],
        unset: &[],
        needs: None,
    },
];

impl Layout {
    /// What it does, for a person to read: `node: PATH node_modules/.bin`.
    pub fn summary(&self) -> String {
        let Self { name, dir, vars, lists, unset, needs: _ } = self;
        let vars = vars.iter().map(|(var, text)| format!("{var}={}", text.replace("${DIR}", dir)));
        let lists = lists.iter().map(|(list, entries)| {
            let at = |entry: &&str| {
                if *entry == "." { (*dir).to_owned() } else { format!("{dir}/{entry}") }
            };
            format!("{list} {}", entries.iter().map(at).collect::<Vec<_>>().join(" "))
        });
        let unset = unset.iter().map(|var| format!("no {var}"));
        let parts: Vec<_> = vars.chain(lists).chain(unset).collect();
        format!("{name}: {}", parts.join(", "))
    }
}

/// What project files call them.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    LAYOUTS.iter().map(|layout| layout.name)
}

/// Reads the name of a layout.
pub(super) fn layout(node: &Node) -> Result<&'static Layout, Fault> {
    let name = node.scalar()?;
    LAYOUTS.iter().find(|layout| layout.name == name).ok_or_else(|| {
        let hint = match nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the layouts are: {}", names().collect::<Vec<_>>().join(", ")),
        };
        node.fault("this is no layout").hint(hint)
    })
}

#[cfg(test)]
mod tests {
    use super::super::expand::expand;
    use super::*;
    use crate::names::VarName;

    #[test]
    fn all_of_the_table_can_be_done() {
        for layout in &LAYOUTS {
            let lists = layout.lists.iter().map(|(name, _)| name).filter(|name| **name != "PATH");
            let vars = layout.vars.iter().map(|(name, _)| name);
            for name in lists.chain(vars).chain(layout.unset) {
                VarName::parse_settable(name).unwrap();
            }
            for (name, text) in layout.vars {
                let known = |name: &str| (name == "DIR").then(|| b"/d".to_vec());
                let value = String::from_utf8(expand(text, &known).unwrap()).unwrap();
                assert!(value.contains("/d"), "{name}");
            }
        }
        assert!(LAYOUTS.is_sorted_by_key(|layout| layout.name));
    }
}
