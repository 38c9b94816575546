//! Line by line, what is read and what is left.

use proptest::prelude::*;

use super::*;

fn shown(text: &str) -> Vec<String> {
    let values = |values: &[Value]| {
        let all: Vec<_> = values.iter().map(|value| value.template().to_string()).collect();
        all.join(" ")
    };
    let does = |does: &Does| match does {
        Does::Set(vars) => {
            let all = vars.iter().map(|(name, value)| format!("{name}={}", *value.template()));
            all.collect::<Vec<_>>().join(" ")
        }
        Does::Prepend(list, dirs) => format!("{list}+ {}", values(dirs)),
        Does::Append(key, items) => format!("{key}: {}", values(items)),
        Does::SourceUp => "source_up".to_owned(),
        Does::UseFlake(which) => format!("use_flake {}", *which.template()),
        Does::Nothing => "-".to_owned(),
    };
    let statements = parse(text.as_bytes()).unwrap_or_default();
    let line = |statement: &Statement| match &statement.what {
        Ok(what) => format!("{} {}", statement.first, does(what)),
        Err(_) if statement.first == statement.last => format!("{} ?", statement.first),
        Err(_) => format!("{}-{} ?", statement.first, statement.last),
    };
    statements.iter().map(line).collect()
}

#[test]
fn what_says_what_it_does_is_read() {
    for (text, want) in [
        ("export A=b", "A=b"),
        ("  export A='b c' B=\"d\" # e", "A=b c B=d"),
        ("export A=$B/${C}", "A=${B:-}/${C:-}"),
        ("export A=b\\\n  C=\"d\\\ne\"", "A=b C=de"),
        ("export A='b\\\nc'", "A=b\\\nc"),
        (
            "export LD_LIBRARY_PATH=$PWD/lib:$LD_LIBRARY_PATH",
            "LD_LIBRARY_PATH=${MIMA_DIR}/lib:${LD_LIBRARY_PATH:-}",
        ),
        ("export A=\"$PWD/x\\$y\\\\\"", "A=${MIMA_DIR}/x$y\\"),
        ("export A='$B${C}'", "A=$B$${C}"),
        ("export A=b\\ c", "A=b c"),
        ("export A=", "A="),
        ("export A=~/x", "A=${HOME}/x"),
        ("export A=a=b", "A=a=b"),
        ("export A=a=~:~/b:'c:'~", "A=a=~:${HOME}/b:c:~"),
        ("PATH_add a:~", "PATH+ a:~"),
        ("export A=b\\\n", "A=b"),
        ("export A=a#b", "A=a#b"),
        ("export A=*", "A=*"),
        ("export A=$ ", "A=$$"),
        ("export A=\"two\nlines\"", "A=two\nlines"),
        ("export PATH=$PWD/bin:~/x:\"$PATH\"", "PATH+ ${MIMA_DIR}/bin ${HOME}/x"),
        ("dotenv", "dotenv: .env"),
        ("dotenv .env.local", "dotenv: .env.local"),
        ("dotenv_if_exists", "dotenv_if_exists: .env"),
        ("PATH_add bin \"$PWD/x\"", "PATH+ bin ${MIMA_DIR}/x"),
        ("path_add MANPATH man", "MANPATH+ man"),
        ("source_up", "source_up"),
        ("source_up_if_exists", "source_up"),
        ("use flake", "use_flake ."),
        ("use flake .#ci", "use_flake .#ci"),
        ("layout node", "layout: node"),
        ("watch_file a 'b c'", "watch_file: a b c"),
        ("env_vars_required A B", "env_vars_required: A B"),
        ("strict_env", "-"),
    ] {
        assert_eq!(shown(text), [format!("1 {want}")], "{text}");
    }
    assert_eq!(shown("\n# c\nexport A=b\r\n\nsource_up\n"), ["3 A=b", "5 source_up"]);
}

#[test]
fn what_needs_a_shell_is_left() {
    for text in [
        "export A=$(x)",
        "export A=`x`",
        "export A=\"$(x \")\")\"",
        "export A=\"`x`\"",
        "export A",
        "export A+=b",
        "export A=${B:-c}",
        "export A=$1",
        "export A=$$",
        "export A=$'b'",
        "export A={b,c}",
        "export A=~somebody/x",
        "export A=b; x",
        "export A=b && x",
        "export A=b C=$A",
        "export -n A",
        "export \"A\"=b",
        "export PATH=/x",
        "export PATH=$PATH:x",
        "A=b",
        "PATH_add",
        "PATH_add *",
        "PATH_add $(x)",
        "source_up x",
        "use nix",
        "use flake . --impure",
        "layout python python3.11",
        "strict_env x",
        "unset A",
        "[[ -n $A ]] && export A=b",
        "source_env x",
        "eval \"$(x)\"",
        "'export' A=b",
    ] {
        assert_eq!(shown(text), ["1 ?"], "{text}");
    }
    for text in ["export A=$\\\nB", "export A=$B\\\nC", "export A=${B\\\n}", "export A=b\\\n; x"] {
        assert_eq!(shown(text), ["1-2 ?"], "{text}");
    }
}

#[test]
fn what_is_part_of_something_larger_is_left_and_what_follows_is_read() {
    for (text, want) in [
        ("if x; then\n export A=b\nfi\nexport C=d", "1 ?|2 ?|3 ?|4 C=d"),
        ("f() {\nexport A=b\n}\nexport C=d", "1 ?|2 ?|3 ?|4 C=d"),
        ("f()\n{\nexport A=b\n}\nexport C=d", "1 ?|2 ?|3 ?|4 ?|5 C=d"),
        ("function f {\nexport A=b\n}\nexport C=d", "1 ?|2 ?|3 ?|4 C=d"),
        (
            "for x in a; do\nif y\nthen\nexport A=b\nfi\ndone\nexport C=d",
            "1 ?|2 ?|3 ?|4 ?|5 ?|6 ?|7 C=d",
        ),
        ("case x in\na) export A=b;;\nesac\nexport C=d", "1 ?|2 ?|3 ?|4 C=d"),
        ("(\nexport A=b\n)\nexport C=d", "1-3 ?|4 C=d"),
        ("x &&\nexport A=b\nexport C=d", "1 ?|2 ?|3 C=d"),
        ("cat <<E\nexport A=b\nE\nexport C=d", "1-3 ?|4 C=d"),
        ("cat <<-'E'\nexport A=b\n\tE\nexport C=d", "1-3 ?|4 C=d"),
        ("x <<<\"a\"\nexport C=d", "1 ?|2 C=d"),
        ("x \"a\nexport A=b\"\nexport C=d", "1-2 ?|3 C=d"),
        ("log_status waiting for x if y\nexport C=d", "1 ?|2 C=d"),
        ("echo fi done }\nexport C=d", "1 ?|2 C=d"),
        ("if x; then\necho fi\nexport A=b\nfi\nexport C=d", "1 ?|2 ?|3 ?|4 ?|5 C=d"),
        ("export A=\"b\nexport C=d", "1-2 ?"),
    ] {
        assert_eq!(shown(text).join("|"), want, "{text}");
    }
}

#[test]
fn what_depends_on_what_is_left_is_left() {
    for (text, want) in [
        ("A=b\nexport C=$A", "1 ?|2 ?"),
        ("export A=$(x)\nexport B=$A\nexport C=$B\nexport D=d", "1 ?|2 ?|3 ?|4 D=d"),
        ("export A=b\nif x; then export A=c; fi", "1 ?|2 ?"),
        ("export C=$A\nexport A=b\nexport D=$A", "1 C=${A:-}|2 A=b|3 D=${A}"),
        ("strict_env\nexport C=$A", "1 -|2 C=${A}"),
    ] {
        assert_eq!(shown(text).join("|"), want, "{text}");
    }
}

proptest! {
    #[test]
    fn t_c6_no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(parse(&bytes));
    }

    #[test]
    fn t_c6_nor_does_almost_a_file(text in "(export |A=|PATH|use flake|if |fi|then|[$]|[{]|[}]|[(]|[)]|<<E|E|'|\"|`|#|~|:|;| |\n|\r|\\\\|é|\u{feff}|[ -~]){0,60}") {
        // Every line but the blank ones is in one statement at most, and its reason says nothing of it.
        let mut last = 0;
        for statement in parse(text.as_bytes()).unwrap_or_default() {
            prop_assert!(last < statement.first && statement.first <= statement.last);
            last = statement.last;
        }
        prop_assert!(last <= text.split('\n').count());
    }
}

#[test]
fn the_worst_lines_end() {
    for part in [
        "(",
        "$(",
        "\"$(",
        "${",
        "{ ",
        "if ",
        "<<E\n",
        "'",
        "\"",
        "`",
        "\\",
        "=",
        "é=",
        "$'",
        "&&\n",
        "export A=$A\n",
    ] {
        drop(parse(part.repeat((100 << 10) / part.len()).as_bytes()));
    }
}
