//! What `/proc/PID/stat` may hold.

use proptest::prelude::*;

use super::{Process, parse_stat};

/// A line as Linux 6.18 writes it, but for the name.
fn line(name: &[u8]) -> Vec<u8> {
    let rest = b") S 2100 2117 2101 34816 2117 4194304 89 0 2 0 0 0 0 0 20 0 1 0 543210 2654208 \
        409 18446744073709551615 94000000 94000001 140720000 0 0 0 2147221247 0 65538 0 0 0 17 0 0 \
        0 0 0 0 94000002 94000003 94000004 140720001 140720002 140720003 140720004 0\n";
    [b"2117 (", name, rest].concat()
}

fn process(name: &str) -> Process {
    Process {
        pid: 2117,
        name: name.to_owned(),
        parent: 2100,
        session: 2101,
        terminal: 34816,
        start: 543_210,
        has_execed: true,
        image: [94_000_000, 140_720_000, 140_720_001],
    }
}

/// The line with field `nth` replaced, counted as `proc_pid_stat(5)` does.
fn with(nth: usize, value: &str) -> Vec<u8> {
    let line = String::from_utf8(line(b"sh")).unwrap();
    let mut fields: Vec<_> = line.split_whitespace().collect();
    fields[nth - 1] = value;
    fields.join(" ").into_bytes()
}

#[test]
fn every_field_is_the_one_that_the_manual_says() {
    assert_eq!(parse_stat(&line(b"bash")), Some(process("bash")));
    let other = |nth, value| parse_stat(&with(nth, value)).unwrap();
    assert_eq!(other(1, "4").pid, 4);
    assert_eq!(other(4, "0").parent, 0);
    assert_eq!(other(6, "0").session, 0);
    assert_eq!(other(7, "0").terminal, 0);
    assert_eq!(other(22, "7").start, 7);
    assert_eq!(other(26, "7").image[0], 7);
    assert_eq!(other(28, "7").image[1], 7);
    assert_eq!(other(48, "7").image[2], 7);
}

#[test]
fn the_flag_of_a_fork_is_one_bit() {
    for (flags, has_execed) in
        [("0", true), ("64", false), ("4194304", true), ("4194368", false), ("4294967295", false)]
    {
        assert_eq!(parse_stat(&with(9, flags)).unwrap().has_execed, has_execed, "{flags}");
    }
}

#[test]
fn what_the_kernel_does_not_show_is_zero() {
    let hidden = |nth, value| parse_stat(&with(nth, value)).unwrap().image;
    assert_eq!(hidden(26, "1")[0], 0);
    assert_eq!(hidden(28, "0")[1], 0);
}

#[test]
fn a_name_may_hold_anything() {
    for name in ["", " ", ")", "(", "((", "))", ") S 1 1 1", "a b", "a\nb", "tmux: server", "é"] {
        assert_eq!(parse_stat(&line(name.as_bytes())), Some(process(name)), "{name:?}");
    }
    assert_eq!(parse_stat(&line(b"a\xff\0b")), Some(process("a\u{fffd}\0b")));
}

#[test]
fn numbers_that_do_not_fit_are_no_process() {
    let huge = "99999999999999999999999";
    for nth in [1, 4, 6, 7, 9, 22, 26, 28, 48] {
        for value in [huge, "x", "0x10", "1.5", "é"] {
            assert_eq!(parse_stat(&with(nth, value)), None, "{nth} {value}");
        }
    }
    assert_eq!(parse_stat(&with(22, "-1")), None);
    assert_eq!(parse_stat(&with(9, "-1")), None);
    assert_eq!(parse_stat(&with(4, "2147483648")), None);
    // The device is written as a signed number, which large minor numbers make negative.
    assert_eq!(parse_stat(&with(7, "-2147483648")).unwrap().terminal, 1 << 31);
}

#[test]
fn a_truncated_line_is_no_process() {
    let whole = line(b"sh");
    let end = whole.windows(9).position(|w| w == b"140720001").unwrap();
    for length in 0..end {
        assert_eq!(parse_stat(&whole[..length]), None, "{length}");
    }
    assert_eq!(parse_stat(&whole[..end + 9]), Some(process("sh")));
    assert_eq!(parse_stat(b")1 ("), None);
    assert_eq!(parse_stat(b"1 )("), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        drop(parse_stat(&bytes));
    }

    #[test]
    fn nor_does_what_is_almost_right(text in "-?[0-9]{0,12} ?[(]{0,2}[ -~\n]{0,6}[)]{0,2} S( -?[0-9]{1,20}){0,50}") {
        drop(parse_stat(text.as_bytes()));
    }

    #[test]
    fn no_name_changes_what_is_read(name in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut want = process(&String::from_utf8_lossy(&name));
        let got = parse_stat(&line(&name)).unwrap();
        want.name.clone_from(&got.name);
        prop_assert_eq!(got, want);
    }
}
