//! The dialect, line by line.

use proptest::prelude::*;

use super::super::expand::MAX_VALUE_BYTES;
use super::*;

/// An environment with `A=a`, an empty `E`, and `L`, long.
fn lookup(name: &str) -> Option<Vec<u8>> {
    match name {
        "A" => Some(b"a".to_vec()),
        "E" => Some(Vec::new()),
        "L" => Some(vec![b'l'; 100_000]),
        _ => None,
    }
}

/// What a file comes to: `K=value|…`.
fn read(text: &str) -> Result<String, Fault> {
    let mut shown = Vec::new();
    for entry in parse(text.as_bytes())? {
        let value = String::from_utf8(entry.value(&lookup)?).unwrap();
        shown.push(format!("{}={value}", entry.name));
    }
    Ok(shown.join("|"))
}

/// What is said about a file.
fn said(bytes: &[u8]) -> String {
    let fault = match parse(bytes) {
        Err(fault) => fault,
        Ok(entries) => entries.iter().find_map(|entry| entry.value(&lookup).err()).unwrap(),
    };
    let mut out = Vec::new();
    fault.in_file("f").report(&mut out).unwrap();
    String::from_utf8(out).unwrap().trim_start_matches("mima: ").trim_end().to_owned()
}

#[test]
fn every_form_of_a_line_is_read() {
    for (text, want) in [
        ("", ""),
        ("\n \t\r\n\n", ""),
        ("# c\n\t#c", ""),
        ("K=v", "K=v"),
        ("\u{feff}K=v\nL=w\n", "K=v|L=w"),
        (" export\tK = v \r\n_L1=w", "K=v|_L1=w"),
        ("export=v\nexport =v", "export=v|export=v"),
        ("exportK=v", "exportK=v"),
        ("K=\nL=''\nM=\"\"\nN= # c", "K=|L=|M=|N="),
        // The last one counts, for whoever takes them in this order.
        ("K=1\nK=2", "K=1|K=2"),
        // Bare.
        ("K=a b\tc", "K=a b\tc"),
        ("K=a#b #c", "K=a#b"),
        ("K=a\t# 'c", "K=a"),
        ("K=#c", "K="),
        ("K=it's \"so\" `x`", "K=it's \"so\" `x`"),
        ("K=a=b==", "K=a=b=="),
        (r"K=C:\new\tmp\", r"K=C:\new\tmp\"),
        ("K={\"a\": [1]}", "K={\"a\": [1]}"),
        ("K=$(id);x|y&z", "K=$(id);x|y&z"),
        // Single quotes.
        ("K='a b' # c", "K=a b"),
        (r#"K='$A ${A} $$ \n \" # "'"#, r#"K=$A ${A} $$ \n \" # ""#),
        (r"K='a\'", r"K=a\"),
        ("K='a\n# b\n\nL=c\n'\nM=d", "K=a\n# b\n\nL=c\n|M=d"),
        // Double quotes.
        (r#"K="a\tb\\n\"c\"\$A" # c"#, "K=a\tb\\n\"c\"$A"),
        ("K=\"a\n# b\\n'\nL=c\"\nM=d", "K=a\n# b\n'\nL=c|M=d"),
        (r#"K="\\""#, r"K=\"),
        (r#"K="\d\é\'""#, r"K=\d\é\'"),
        // What Windows wrote.
        ("K='a\r\nb'\r\nL=\"c\r\nd\\r\n\"\r\nM=e\r\n", "K=a\nb|L=c\nd\r\n|M=e"),
        ("K='a\rb'", "K=a\rb"),
        // Variables.
        ("K=$A-${A}x${E:-d}$E", "K=a-axd"),
        ("K=\"$A-${A}x${U:-a b}\"", "K=a-axa b"),
        (r"K=\$A$$A$1$", "K=$A$A$1$"),
    ] {
        match read(text) {
            Ok(got) => assert_eq!(got, want, "{text:?}"),
            Err(fault) => panic!("{text:?}: {}", fault.in_file("f")),
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_nothing_of_the_line() {
    const FORM: &str = "this is neither KEY=value nor a comment\n\
                        hint: a value of several lines goes in quotes, and a comment starts with #";
    const NAME: &str = "this is no name for a variable\nhint: a variable's name starts with";
    const CLOSED: &str = "text follows the quote that closes the value\nhint: put all of the value";
    for (text, place, what) in [
        ("K=v\nexport K", "2:1", FORM),
        ("\tC4nary", "1:2", FORM),
        ("K='a\nb'\n  : x", "3:3", FORM),
        ("a.C4nary=x", "1:1", NAME),
        ("=C4nary", "1:1", NAME),
        ("é C4nary = x", "1:1", NAME),
        ("export export C4nary=x", "1:1", NAME),
        ("\u{feff}1C4nary=x", "1:1", NAME),
        ("K='a\n\n\"C4nary", "1:3", "a quote is never closed"),
        ("\nK = \"C4nary\\\"\nL=", "2:5", "a quote is never closed"),
        ("K='a'C4nary", "1:6", CLOSED),
        ("K='a\n\"b' C4nary", "2:5", CLOSED),
        ("K=\"a\"#c", "1:6", CLOSED),
        ("K=\"a\"'b'", "1:6", CLOSED),
        ("K= `C4nary`", "1:4", "programs disagree on what a backtick means\nhint: put the value"),
        ("A=b\nK=\"é\n$C4nary\"", "2:3", "a variable that this value refers to is not set\nhint: "),
        ("K=p${C4nary}", "1:3", "a variable that this value refers to is not set\nhint: "),
        ("K=${C4nary-x}", "1:3", "a `${` is not closed, or not a variable\nhint: write ${VAR}"),
        ("K=${C4nary", "1:3", "a `${` is not closed, or not a variable\nhint: write ${VAR}"),
        ("K=$L$L", "1:3", "the value is longer than 131071 bytes"),
        ("K=v\n\0", "2:1", "a NUL byte is not text"),
    ] {
        let said = said(text.as_bytes());
        let want = format!("f:{place}: {what}");
        assert!(said.starts_with(&want), "{text:?}: {said}");
        assert!(!said.contains("C4nary"), "{text:?}: {said}");
    }
    assert_eq!(said(b"K=\xff"), "f:1:3: this is not UTF-8 text");
}

#[test]
fn t_c2_a_file_has_a_size() {
    let many = |count: usize| "K=\n".repeat(count);
    assert_eq!(parse(many(MAX_ENTRIES).as_bytes()).unwrap().len(), MAX_ENTRIES);
    let what = format!("f:{}:1: the file sets more than 5000 variables", MAX_ENTRIES + 1);
    assert_eq!(said(many(80_000).as_bytes()), what);
    assert_eq!(said(&vec![b'\n'; (256 << 10) + 1]), "f:1:1: the file is larger than 256 KiB");
    let value = format!("K='{}'", "v".repeat(MAX_VALUE_BYTES));
    assert_eq!(read(&value).unwrap().len(), MAX_VALUE_BYTES + 2);
    assert_eq!(
        said(value.replace("='", "='v").as_bytes()),
        "f:1:3: the value is longer than 131071 bytes"
    );
    // As long as a file can be, and nothing but the worst.
    for line in ["K=\"\\", "K='", "K=${U:-", "export ", "# ", "\r", "=", "K= #"] {
        drop(parse(line.repeat((256 << 10) / line.len()).as_bytes()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn t_c6_no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(parse(&bytes));
    }

    #[test]
    fn t_c6_nor_does_almost_a_file(text in "(export |K|A|=|'|\"|`|#| |\n|\r|\t|\\\\|[$]|[{]|[}]|:-|é|\u{feff}|[ -~]){0,60}") {
        for entry in parse(text.as_bytes()).unwrap_or_default() {
            if let Ok(value) = entry.value(&lookup) {
                prop_assert!(value.len() <= MAX_VALUE_BYTES);
            }
        }
    }
}
