//! The files against the threats: what a hostile or broken file can make mima do or say.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use mima::config::parse::{Document, parse};
use mima::config::project::ProjectFile;
use mima::config::user::UserFile;

/// Returns what mima prints about a file.
fn message<T: Document>(text: impl AsRef<[u8]>) -> String {
    let failure = parse::<T>(text.as_ref(), "f").err();
    assert!(failure.is_some(), "accepted: {}", String::from_utf8_lossy(text.as_ref()));
    let mut out = Vec::new();
    drop(failure.map(|failure| failure.report(&mut out)));
    String::from_utf8_lossy(&out).into_owned()
}

#[track_caller]
fn is_refused_at_once(text: impl AsRef<[u8]>) {
    let start = Instant::now();
    let said = message::<ProjectFile>(text);
    assert!(said.len() < 300, "{said}");
    // The budget is 10 ms; an unoptimised build on a busy machine gets more.
    assert!(start.elapsed() < Duration::from_millis(250), "{:?}: {said}", start.elapsed());
}

#[test]
fn t_c1_aliases_anchors_tags_and_merge_keys_are_refused() {
    let mut bomb = "env:\n  A: &a [x, x, x, x, x, x, x, x]\n".to_owned();
    for (this, last) in ('b'..='z').zip('a'..) {
        writeln!(bomb, "  {this}: &{this} [*{last}, *{last}, *{last}, *{last}]").unwrap();
    }
    is_refused_at_once(&bomb);
    for text in ["env: &a {}", "env: *a", "env:\n  <<: {A: b}", "env: !x {}", "env: !!map {}"] {
        is_refused_at_once(text);
    }
}

#[test]
fn t_c2_depth_number_and_size_are_bounded() {
    let keys = |count: usize| {
        (0..count).fold("env:\n".to_owned(), |mut text, n| {
            writeln!(text, "  A{n}: b").unwrap();
            text
        })
    };
    is_refused_at_once("[".repeat(100_000));
    is_refused_at_once(format!("env: {}", "{a: ".repeat(50_000)));
    is_refused_at_once("- ".repeat(100_000));
    is_refused_at_once("? ".repeat(100_000));
    is_refused_at_once((0..400).fold(String::new(), |text, n| text + &" ".repeat(n) + "a:\n"));
    is_refused_at_once(keys(200_000));
    is_refused_at_once(keys(3_000));
    is_refused_at_once(format!("env:\n  A: {}", "x".repeat(1 << 20)));
    is_refused_at_once(format!("env:\n  A: {}", "x".repeat(70_000)));
    is_refused_at_once(format!("env:\n  A: '{}'", "x\n".repeat(40_000)));
    assert!(parse::<ProjectFile>(keys(2_000).as_bytes(), "f").is_ok());
    assert!(
        parse::<ProjectFile>(format!("env: {{A: {}}}", "x".repeat(60_000)).as_bytes(), "f").is_ok()
    );
}

#[test]
fn t_c3_one_document_with_known_keys_each_once() {
    for good in [
        "env: {A: b}",
        "\u{feff}env: {A: b}",
        "env:\r\n  A: b\r\n",
        "---\nenv: {A: b}\n",
        "env: {A: b}\n...\n",
        "# c\n\nenv: {A: b} # d",
        "{\"env\": {\"A\": \"b\"}}",
    ] {
        let file = parse::<ProjectFile>(good.as_bytes(), "f").unwrap();
        assert_eq!(file.env[0].1.value, "b", "{good:?}");
    }
    for (line, bad) in [
        (2, "env: {}\nenv: {}"),
        (3, "env:\n  A: b\n  A: c"),
        (3, "groups:\n  a: {}\n  a: {}"),
        (2, "groups:\n  a: {A: x, A: x}"),
        (1, "envs: {}"),
        (2, "env: {A: b}\nenv2: {}"),
        (2, "env: {}\n---\nenv: {}"),
        (2, "env: {}\n---\n"),
        (1, "- env"),
        (1, "env"),
    ] {
        let said = message::<ProjectFile>(bad);
        assert!(said.starts_with(&format!("mima: f:{line}:")), "{bad:?}: {said}");
    }
}

#[test]
fn t_c4_values_arrive_as_written_and_nothing_is_no_value() {
    for text in [
        "no", "yes", "0123", "0755", "1e3", "1.10", "0x10", "1_000", ".inf", "True", "on",
        "12:30:45",
    ] {
        let file = parse::<ProjectFile>(format!("env: {{A: {text}}}").as_bytes(), "f").unwrap();
        assert_eq!(file.env[0].1.value, text);
    }
    for text in ["", "~", "null", "Null", "NULL"] {
        assert!(message::<ProjectFile>(format!("env:\n  A: {text}\n")).contains("f:2:"));
        assert!(parse::<ProjectFile>(format!("env:\n  A: '{text}'\n").as_bytes(), "f").is_ok());
    }
    assert!(message::<ProjectFile>("env:\n\tA: b").starts_with("mima: f:2:2: env: a tab"));
}

#[test]
fn t_c5_no_message_repeats_the_file() {
    const CANARY: &str = "C4n@ry/+=\u{1b}]0;x\u{7}";
    const PLAIN: &str = "C4n-ry/plain";
    for canary in [CANARY, PLAIN] {
        for form in [
            "env:\n  A: '@\n",
            "env:\n  A: @: @\n",
            "@",
            "@: x",
            "env: @",
            "env:\n  @: x",
            "env: {A: [@}",
            "env: {A: \"@\\q\"}",
            "store: @",
            "source_up: @",
            "layout: [@]",
            "wrap: [@]",
            "unset: ['@']",
            "groups: {'@': {}}",
            "groups: {a: {'@': b}}",
            "groups: {a: {B: '@'}}",
            "groups: {a: '@'}",
            "env: {A: &@ x}",
            "env: {A: *@}",
            "env: {A: !@ x}",
            "env: {A: !!@ x}",
            "%@\n---\n",
            "%TAG @ @\n---\n",
            "env:\n\t@",
            "'@': x",
            "\"@\": x\n\"@\": y",
            "env: {'@': x, '@': y}",
            "env:\n  A: b\n @: c",
            "env:\n  A: |@\n   b",
            "- @",
            "? @\n: x",
            "env: {}\n---\n@",
            "`@`",
            "env: {A: @]}",
            "env: ''@''",
        ] {
            let text = form.replace('@', canary);
            for said in [message::<ProjectFile>(&text), message::<UserFile>(&text)] {
                assert!(!said.contains("C4n"), "{text:?}: {said}");
                assert!(!said.contains('\u{1b}') && !said.contains("u{1b}"), "{text:?}: {said}");
                assert!(said.starts_with("mima: f:"), "{text:?}: {said}");
            }
        }
    }
    let mut bytes = b"env: {A: C4nary".to_vec();
    bytes.extend([0xff, b'}']);
    assert!(!message::<ProjectFile>(bytes).contains("C4n"));
}

#[test]
fn t_b1_d9_only_names_are_names() {
    for name in [
        "$(id)",
        "`id`",
        "a;b",
        "a b",
        "a\\nb",
        "a\\0b",
        "a=b",
        "a/b",
        "..",
        "../../x",
        "/abs",
        "-x",
        ".x",
        "d\u{435}v",
        "A\u{301}",
        "\u{ff21}",
        "a|b",
        "a&b",
        "a>b",
        "a*",
        "a?",
        "a'b",
        "a$b",
        "~",
        "a:b",
        "",
    ] {
        // In double quotes `\n` and `\0` are the characters themselves.
        for form in [
            "groups: {\"@\": {}}",
            "groups: {a: {\"@\": b}}",
            "groups: {a: {B: \"@\"}}",
            "env: {\"@\": b}",
            "unset: [\"@\"]",
            "wrap: [\"@\"]",
            "path_add: {\"@\": [b]}",
            "env_vars_required: [\"@\"]",
            "dotenv_allow: [\"@\"]",
            "auto_export_groups: [\"@\"]",
        ] {
            message::<ProjectFile>(form.replace('@', name));
        }
    }
}

#[test]
fn t_b2_no_file_sets_what_steers_the_shell() {
    for name in [
        "IFS",
        "PS4",
        "PROMPT_COMMAND",
        "BASH_ENV",
        "ENV",
        "SHELLOPTS",
        "BASHOPTS",
        "BASH_FUNC_ls",
        "CDPATH",
        "GLOBIGNORE",
        "ZDOTDIR",
        "FPATH",
        "NULLCMD",
        "HISTFILE",
        "PATH",
        "HOME",
        "SHELL",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "MIMA_ASKPASS",
        "__MIMA_STATE",
    ] {
        for form in [
            "groups:\n a: {@: b}",
            "env:\n {@: b}",
            "unset:\n [@]",
            "path_add:\n {@: [b]}",
            "dotenv_allow:\n [@]",
        ] {
            let said = message::<ProjectFile>(form.replace('@', name));
            assert!(said.starts_with("mima: f:2:") && said.contains("steers"), "{name}: {said}");
        }
    }
}

#[test]
fn t_d8_names_differ_in_more_than_case() {
    message::<UserFile>("groups: {Foo: {}, foo: {}}");
    message::<UserFile>("groups: {a: {A: Foo}, b: {A: foo}}");
    assert!(parse::<UserFile>(b"groups: {a: {A: x, a: x}}", "f").is_ok());
}
