//! Edits, as tables of files before and after.

use super::*;

fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

pub(super) fn link(text: &str) -> Edit {
    let [g, var, secret] = words(text);
    Edit::Link {
        group: group(g),
        var: VarName::parse(var).unwrap(),
        secret: SecretName::parse(secret).unwrap(),
    }
}

pub(super) fn unlink(text: &str) -> Edit {
    let [g, var] = words(text);
    Edit::Unlink { group: group(g), var: VarName::parse(var).unwrap() }
}

pub(super) fn remove(name: &str) -> Edit {
    Edit::RemoveGroup { group: group(name) }
}

fn words<const N: usize>(text: &str) -> [&str; N] {
    text.split(' ').collect::<Vec<_>>().try_into().unwrap()
}

#[track_caller]
pub(super) fn edited(before: &str, edit: &Edit) -> String {
    match apply(before.as_bytes(), edit, "f") {
        Ok(edited) => String::from_utf8(edited.bytes).unwrap(),
        Err(failure) => panic!("{before:?}: {failure}"),
    }
}

#[test]
fn a_link_goes_where_it_belongs() {
    for (before, edit, after) in [
        // no groups yet
        ("", "dev A x", "groups:\n  dev:\n    A: x\n"),
        ("\u{feff}", "dev A x", "\u{feff}groups:\n  dev:\n    A: x\n"),
        ("# hi\n", "dev A x", "# hi\ngroups:\n  dev:\n    A: x\n"),
        ("# hi", "dev A x", "# hi\ngroups:\n  dev:\n    A: x"),
        ("---\n", "dev A x", "---\ngroups:\n  dev:\n    A: x\n"),
        ("store: vault\r\n", "dev A x", "store: vault\r\ngroups:\r\n  dev:\r\n    A: x\r\n"),
        (
            "env:\n    B: c\n\n# end\n",
            "dev A x",
            "env:\n    B: c\n\n# end\ngroups:\n    dev:\n        A: x\n",
        ),
        ("{}\n", "dev A x", "{ groups: { dev: { A: x } } }\n"),
        ("groups: {} # none\n", "dev A x", "groups: { dev: { A: x } } # none\n"),
        ("env: [\n", "dev A x", ""),
        // a new group, at any indentation
        ("groups:\n  a:\n    B: c\n", "dev A x", "groups:\n  a:\n    B: c\n  dev:\n    A: x\n"),
        ("groups:\n a:\n  B: c", "dev A x", "groups:\n a:\n  B: c\n dev:\n  A: x"),
        (
            "groups:\n    a:\n      B: c\n",
            "dev A x",
            "groups:\n    a:\n      B: c\n    dev:\n      A: x\n",
        ),
        ("groups:\n    a: {}\n", "dev A x", "groups:\n    a: {}\n    dev:\n        A: x\n"),
        (
            "groups:\n  a:\n    B: c # d\n    # e\n\nstore: vault\n",
            "dev A x",
            "groups:\n  a:\n    B: c # d\n    # e\n  dev:\n    A: x\n\nstore: vault\n",
        ),
        ("groups: { a: { B: c } }\n", "dev A x", "groups: { a: { B: c }, dev: { A: x } }\n"),
        // a new variable
        (
            "groups:\n  dev:\n    B: c\n  # next\n  e: {}\n",
            "dev A x",
            "groups:\n  dev:\n    B: c\n    A: x\n  # next\n  e: {}\n",
        ),
        (
            "groups:\r\n  dev:\r\n    B: c  \r\n",
            "dev A x",
            "groups:\r\n  dev:\r\n    B: c  \r\n    A: x\r\n",
        ),
        ("groups:\n  dev: { B: c } # d\n", "dev A x", "groups:\n  dev: { B: c, A: x } # d\n"),
        ("groups:\n  dev: {}\n", "dev A x", "groups:\n  dev: { A: x }\n"),
        (
            "groups: { dev: {\n  B: c, # d\n} }",
            "dev A x",
            "groups: { dev: {\n  B: c, A: x, # d\n} }",
        ),
        (
            "groups:\n  dev:\n    B: |-\n      c\n\n",
            "dev A x",
            "groups:\n  dev:\n    B: |-\n      c\n    A: x\n\n",
        ),
        // another secret
        ("groups:\n  dev:\n    A: y   # why\n", "dev A x", "groups:\n  dev:\n    A: x   # why\n"),
        ("groups:\n  dev: {A: 'y', B: \"z\"}\n", "dev A x", "groups:\n  dev: {A: 'x', B: \"z\"}\n"),
        ("groups:\n  dev: {A: 'y', B: \"z\"}\n", "dev B x", "groups:\n  dev: {A: 'y', B: \"x\"}\n"),
        ("groups:\n  dev:\n    A: y\n", "dev A 1e3", "groups:\n  dev:\n    A: '1e3'\n"),
        // the same again
        ("groups: {'dev': {A:   \"x\"}}  # z", "dev A x", "groups: {'dev': {A:   \"x\"}}  # z"),
        // names that YAML knows
        ("", "1.10 NO null", "groups:\n  '1.10':\n    'NO': 'null'\n"),
        ("groups: {}", "yes Y 0x10", "groups: { 'yes': { 'Y': '0x10' } }"),
        (
            "groups:\n  null.x:\n    B: me@example+1\n",
            "null.x A me@x",
            "groups:\n  null.x:\n    B: me@example+1\n    A: me@x\n",
        ),
    ] {
        if after.is_empty() {
            assert!(apply(before.as_bytes(), &link(edit), "f").is_err(), "{before:?}");
        } else {
            assert_eq!(edited(before, &link(edit)), after, "{before:?} + {edit}");
        }
    }
}

#[test]
fn what_is_removed_takes_nothing_else_with_it() {
    for (before, edit, after) in [
        (
            "groups:\n  dev:\n    # a\n    A: x # b\n    # c\n    B: y\n",
            unlink("dev A"),
            "groups:\n  dev:\n    # a\n    # c\n    B: y\n",
        ),
        ("groups:\n  dev:\n    A: x\n    B: y", unlink("dev B"), "groups:\n  dev:\n    A: x"),
        (
            "groups:\r\n  dev:\r\n    A: x\r\n    B: y\r\n",
            unlink("dev B"),
            "groups:\r\n  dev:\r\n    A: x\r\n",
        ),
        (
            "groups:\n  dev: { A: x, B: y, C: z, } # d\n",
            unlink("dev A"),
            "groups:\n  dev: { B: y, C: z, } # d\n",
        ),
        (
            "groups:\n  dev: { A: x, B: y, C: z, } # d\n",
            unlink("dev B"),
            "groups:\n  dev: { A: x, C: z, } # d\n",
        ),
        (
            "groups:\n  dev: { A: x, B: y, C: z, } # d\n",
            unlink("dev C"),
            "groups:\n  dev: { A: x, B: y, } # d\n",
        ),
        (
            "groups:\n  dev: {\n    A: x, # a\n    B: y\n  }\n",
            unlink("dev B"),
            "groups:\n  dev: {\n    A: x, # a\n  }\n",
        ),
        (
            "groups:\n  dev: {\n    A: x, # a\n    B: y\n  }\n",
            unlink("dev A"),
            "groups:\n  dev: {\n    B: y\n  }\n",
        ),
        // the last variable takes the group along, the last group the key
        (
            "groups:\n  dev:\n    # why\n    A: x\n  e: {}\n",
            unlink("dev A"),
            "groups:\n    # why\n  e: {}\n",
        ),
        ("groups: { dev: { A: x }, e: { B: y } }\n", unlink("dev A"), "groups: { e: { B: y } }\n"),
        (
            "# top\ngroups: # g\n  dev:\n    A: x\nstore: vault\n",
            unlink("dev A"),
            "# top\nstore: vault\n",
        ),
        ("groups:\n  dev:\n    A: x\n", unlink("dev A"), ""),
        (
            "\u{feff}groups:\r\n  dev:\r\n    A: x\r\n# end\r\n",
            unlink("dev A"),
            "\u{feff}# end\r\n",
        ),
        ("{ groups: { dev: { A: x } } }\n", unlink("dev A"), "{}\n"),
        ("store: vault\ngroups: { dev: { A: x } }\n", unlink("dev A"), "store: vault\n"),
        // a whole group
        (
            "groups:\n  # d\n  dev:\n    # a\n    A: x\n\n    B: y # z\n  # e\n  e:\n    A: x\n",
            remove("dev"),
            "groups:\n  # d\n  # e\n  e:\n    A: x\n",
        ),
        ("groups:\n  dev: {}\n  e: {}", remove("e"), "groups:\n  dev: {}"),
        ("groups:\n  dev: {}\nenv: {}\n", remove("dev"), "env: {}\n"),
    ] {
        assert_eq!(edited(before, &edit), after, "{before:?} {edit:?}");
    }
}

#[test]
fn the_former_secret_is_returned() {
    let file = b"groups:\n  dev:\n    A: x\n";
    let previous = |edit: &Edit| apply(file, edit, "f").unwrap().previous;
    let x = SecretName::parse("x").unwrap();
    assert_eq!(previous(&link("dev A y")), Some(x.clone()));
    assert_eq!(previous(&link("dev A x")), Some(x.clone()));
    assert_eq!(previous(&unlink("dev A")), Some(x));
    assert_eq!(previous(&link("dev B y")), None);
    assert_eq!(previous(&remove("dev")), None);
}

#[test]
fn what_cannot_be_done_says_why() {
    let message = |file: &str, edit: &Edit| {
        let failure = apply(file.as_bytes(), edit, "f").unwrap_err();
        let mut out = Vec::new();
        failure.report(&mut out).unwrap();
        (failure.kind(), String::from_utf8(out).unwrap())
    };
    let file = "groups:\n  dev:\n    DB_URL: x\n";
    for (file, edit, kind, want) in [
        (
            file,
            unlink("dev DB_URI"),
            Kind::NotFound,
            "mima: group `dev` has no variable `DB_URI`\nhint: did you mean `DB_URL`?\n",
        ),
        (
            file,
            unlink("dev Q"),
            Kind::NotFound,
            "mima: group `dev` has no variable `Q`\nhint: mima group list dev\n",
        ),
        (
            file,
            unlink("devs DB_URL"),
            Kind::NotFound,
            "mima: there is no group `devs`\nhint: did you mean `dev`?\n",
        ),
        (
            file,
            remove("zz"),
            Kind::NotFound,
            "mima: there is no group `zz`\nhint: mima set zz VAR\n",
        ),
        (file, link("Dev A x"), Kind::Failed, "mima: `Dev` differs from `dev` only in case\n"),
        (file, link("dev A X"), Kind::Failed, "mima: `X` differs from `x` only in case\n"),
        (
            file,
            link("dev PATH x"),
            Kind::Usage,
            "mima: `PATH` steers the shell or mima, so no group may set it\nhint: choose another variable\n",
        ),
        (
            "? groups\n: dev: { A: x }\n",
            unlink("dev A"),
            Kind::Failed,
            "mima: f:2:10: groups.dev.A: mima cannot edit this layout without harm\nhint: edit the file: take `A` out of group `dev`\n",
        ),
        (
            "a: b\n...\n",
            link("dev A x"),
            Kind::Failed,
            "mima: f:1:1: groups.dev.A: mima cannot edit this layout without harm\nhint: edit the file: in group `dev`, `A: x`\n",
        ),
        (
            "groups: {dev: {A: x, # a\n B: y }}",
            unlink("dev B"),
            Kind::Failed,
            "mima: f:2:2: groups.dev.B: mima cannot edit this layout without harm\nhint: edit the file: take `B` out of group `dev`\n",
        ),
    ] {
        assert_eq!(message(file, &edit), (kind, want.to_owned()));
    }
}
