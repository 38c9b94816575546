//! Edits, as laws over random files.

use proptest::prelude::*;

use super::tests::{edited, link, remove, unlink};
use super::*;

/// Files of a project with groups in several layouts, none of them empty, and other keys.
fn file() -> impl Strategy<Value = String> {
    let var = prop_oneof!["[A-C]", Just("NO".to_owned())];
    let secret = prop_oneof!["[x-z]", Just("'x'".to_owned()), Just("\"y\"".to_owned())];
    let comment = prop_oneof![Just(""), Just(" # c"), Just("  ")];
    let links = proptest::collection::btree_map(var, (secret, comment), 1..4);
    let group = (links, 0..2_usize, prop_oneof![Just(""), Just("# g\n"), Just("\n")]);
    let groups = proptest::collection::btree_map("[d-f]", group, 0..4);
    let before =
        prop_oneof![Just(""), Just("# top\n"), Just("env: {Q: groups}\n"), Just("\u{feff}")];
    let after = prop_oneof![Just(""), Just("\n# end\n"), Just("unset:\n- Q\n"), Just("# groups:")];
    (before, groups, after, 1..5_usize, any::<bool>()).prop_map(
        |(before, groups, after, step, crlf)| {
            let mut out = before.to_owned();
            let pad = " ".repeat(step);
            if !groups.is_empty() {
                out += "groups:\n";
            }
            for (name, (links, flow, gap)) in groups {
                if flow == 1 {
                    let inner: Vec<_> =
                        links.iter().map(|(v, (s, _))| format!("{v}: {s}")).collect();
                    out.extend([&pad, &name, ": { ", &inner.join(", "), " }\n"]);
                } else {
                    out.extend([&pad, &name, ":\n"]);
                    for (var, (secret, comment)) in links {
                        out.extend([&pad, &pad, &var, ": ", &secret, comment, "\n"]);
                    }
                }
                out += gap;
            }
            out += after;
            if crlf { out.replace('\n', "\r\n") } else { out }
        },
    )
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        ("[d-g]", "[A-D]", "[w-z0]").prop_map(|(g, v, s)| link(&format!("{g} {v} {s}"))),
        ("[d-g]", "[A-D]").prop_map(|(g, v)| unlink(&format!("{g} {v}"))),
        "[d-g]".prop_map(|g| remove(&g)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edited_file_says_what_the_edit_says(file in file(), edit in edit()) {
        let before = groups_of(file.as_bytes(), "f").unwrap();
        match edit.model(&before) {
            Err(_) => prop_assert!(apply(file.as_bytes(), &edit, "f").is_err()),
            Ok((after, previous)) => {
                let edited = apply(file.as_bytes(), &edit, "f").unwrap();
                prop_assert_eq!(groups_of(&edited.bytes, "f").unwrap(), after);
                prop_assert_eq!(edited.previous, previous);
            }
        }
    }

    #[test]
    fn every_other_line_stays(file in file(), edit in edit()) {
        let Ok(edited) = apply(file.as_bytes(), &edit, "f") else { return Ok(()) };
        let new = String::from_utf8(edited.bytes).unwrap();
        let [old, new] = [&file, &new].map(|text| text.trim_start_matches('\u{feff}'));
        let others = |text: &str| {
            text.lines().filter(|line| line.starts_with(['#', 'e', 'u', '-'])).count()
        };
        if !matches!(edit, Edit::RemoveGroup { .. }) {
            prop_assert_eq!(others(old), others(new), "{:?}", new);
        }
        let mut lines = old.lines();
        if matches!(edit, Edit::Link { .. }) {
            let changed = new.lines().filter(|line| !old.lines().any(|old| old == *line)).count();
            prop_assert!(changed <= 3, "{:?}", new);
        } else {
            // What is left are lines of the old file in their order, but for a cut one.
            let foreign = new.lines().filter(|line| !lines.any(|old| old == *line)).count();
            prop_assert!(foreign == 0 || old.contains('{'), "{:?}", new);
        }
    }

    #[test]
    fn unlinking_what_was_linked_restores_the_file(
        file in file(),
        pick in any::<prop::sample::Index>(),
    ) {
        let groups = groups_of(file.as_bytes(), "f").unwrap();
        let names: Vec<_> = groups.iter().map(|(name, _)| name.to_string()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let name = pick.get(&names);
        let linked = edited(&file, &link(&format!("{name} FRESH new")));
        prop_assert!(linked != file);
        prop_assert_eq!(edited(&linked, &unlink(&format!("{name} FRESH"))), file);
    }

    #[test]
    fn no_edit_of_anything_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), edit in edit()) {
        drop(apply(&bytes, &edit, "f"));
    }

    #[test]
    fn an_odd_file_is_edited_well_or_not_at_all(
        mut file in file(),
        odd in "(\\{|\\}|\\[|,|: |\n|\r|  |- |---\n|\\? |\\|\n|'|\"|#| # |\t|d|A){1,2}",
        place in any::<prop::sample::Index>(),
        edit in edit(),
    ) {
        let places: Vec<_> = file.char_indices().map(|(at, _)| at).chain([file.len()]).collect();
        file.insert_str(*place.get(&places), &odd);
        let Ok(before) = groups_of(file.as_bytes(), "f") else { return Ok(()) };
        if let Ok(edited) = apply(file.as_bytes(), &edit, "f") {
            let said = groups_of(&edited.bytes, "f").unwrap();
            prop_assert_eq!(said, edit.model(&before).unwrap().0);
        }
    }
}
