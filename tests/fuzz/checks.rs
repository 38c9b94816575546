//! What must hold for any bytes at all: each function is one target of `make fuzz`, and
//! `tests/fuzz.rs` calls it for every file of `corpus`. They panic where it does not hold.

/// Bytes are a message for the session agent, or one of its own, or neither; never both. What was
/// read is written as the same bytes, so that no message has two forms.
pub(crate) fn frame(data: &[u8]) {
    use mima::session::wire::{HEADER, Header, LARGEST, Reply, Request};
    let Some((header, payload)) = data.split_first_chunk() else { return };
    let Ok(header) = Header::decode(header) else { return };
    assert!(header.len <= LARGEST);
    let Some(payload) = payload.get(..header.len) else { return };
    let frame = &data[..HEADER + header.len];
    match (Request::decode(header, payload), Reply::decode(header, payload)) {
        (Err(_), Err(_)) => {}
        (Ok(request), Err(_)) => assert_eq!(request.encode().as_deref(), Some(frame)),
        (Err(_), Ok(reply)) => assert_eq!(reply.encode().as_deref(), Some(frame)),
        (Ok(request), Ok(reply)) => panic!("{request:?} and {reply:?}"),
    }
}

/// A line of `/proc/PID/stat` is read, or it is none. What was read can be written down and is
/// read as the same.
#[cfg(target_os = "linux")]
pub(crate) fn proc_stat(data: &[u8]) {
    use mima::sys::processes::{Process, parse_stat};
    let Some(process) = parse_stat(data) else { return };
    let Process { pid, ref name, parent, session, terminal, start, has_execed, image } = process;
    let flags = if has_execed { 0 } else { 0x40 };
    let terminal = u32::try_from(terminal).expect("a device has 32 bits").cast_signed();
    let [code, stack, arguments] = image;
    let line = format!(
        "{pid} ({name}) S {parent} 0 {session} {terminal} 0 {flags} 0 0 0 0 0 0 0 0 0 0 0 0 \
         {start} 0 0 0 {code} 0 {stack} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 {arguments} 0 0 0 0"
    );
    assert_eq!(parse_stat(line.as_bytes()), Some(process), "{line:?}");
}

/// A dotenv file is read, or it is said what is wrong. What was read can be written and is read as
/// the same; and so is any text that is taken for a value.
pub(crate) fn dotenv(data: &[u8]) {
    use mima::config::dotenv::parse;
    use mima::shell::quote;
    let known = |name: &str| (name.len() == 1).then(|| "é'\"$\\\r\n".as_bytes().to_vec());
    let check = |name: &str, value: &[u8]| {
        let Some(quoted) = quote::dotenv(value) else { return };
        let line = [name.as_bytes(), b"=", &quoted].concat();
        // Quoted it can be larger than a file.
        let Ok(entries) = parse(&line) else { return assert!(line.len() > 256 << 10) };
        let [entry] = &entries[..] else { panic!("{} variables", entries.len()) };
        assert_eq!(entry.name.as_str(), name);
        assert_eq!(entry.value(&|_| panic!("it refers to nothing")).ok().as_deref(), Some(value));
    };
    let is_plain = |message: String| message.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match parse(data) {
        Err(fault) => assert!(is_plain(fault.in_file("f").to_string())),
        Ok(entries) => entries.iter().for_each(|entry| match entry.value(&known) {
            Err(fault) => assert!(is_plain(fault.in_file("f").to_string())),
            Ok(value) => check(entry.name.as_str(), &value),
        }),
    }
    if !data.contains(&0) && data.len() < 100_000 {
        check("K", data);
    }
}

/// An `.envrc` is read, or it is said what is wrong. Each statement has its lines, in order; what
/// one does can be written and is read as the same, and why not is said without a word of it.
pub(crate) fn envrc(data: &[u8]) {
    use mima::config::envrc::parse;
    use mima::config::expand::expand;
    use mima::config::imported::Does;
    let Ok(statements) = parse(data) else { return };
    let lines = data.split(|byte| *byte == b'\n').count();
    let mut last = 0;
    for statement in &statements {
        assert!(last < statement.first && statement.first <= statement.last);
        last = statement.last;
        let Ok(Does::Set(vars)) = &statement.what else { continue };
        for (_, value) in vars {
            let known = |name: &str| Some(format!("<{name}>").into_bytes());
            let names: std::collections::BTreeMap<_, _> =
                value.vars().map(|name| (name.to_owned(), format!("<{name}>").into())).collect();
            // A name or a text may be longer than what can be loaded.
            let Ok(expanded) = expand(&value.template(), &known) else { continue };
            assert_eq!(value.with(&names).map(|text| text.as_bytes().to_vec()), Some(expanded));
        }
    }
    assert!(last <= lines);
}

/// What nix prints of a development shell, or of where a flake is kept, is read, or it is said what
/// is wrong, without a word of it. What was read can be written and is read as the same; what is
/// taken of it steers neither a shell nor mima, and no list has an entry that leads nowhere.
pub(crate) fn flake_json(data: &[u8]) {
    use mima::env::flake::{DevShell, Source, Taken};
    let is_plain = |message: String| message.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match Source::parse(data) {
        Err(why) => assert!(is_plain(why.to_string())),
        Ok(source) => {
            let reference = source.reference();
            let is_known = |byte| {
                matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z') || b"/._-%".contains(&byte)
            };
            let (path, dir) = reference.split_once("?dir=").unwrap_or((&reference, ""));
            let path = path.strip_prefix("path:/").expect("the copy is at an absolute path");
            assert!(path.bytes().chain(dir.bytes()).all(is_known), "{reference}");
            assert!(path.split('/').chain(dir.split('/')).all(|part| part != ".."), "{reference}");
        }
    }
    let shell = match DevShell::parse(data) {
        Err(why) => return assert!(is_plain(why.to_string())),
        Ok(shell) => shell,
    };
    assert_eq!(DevShell::parse(&shell.encode()).as_ref(), Ok(&shell));
    let Taken { vars, lists, refused } = shell.take();
    for (name, value) in &vars {
        assert!(!name.is_steering() && !name.is_of_nix_build(value), "{name}");
        assert!(!value.contains('\0') && !lists.contains_key(name), "{name}");
    }
    assert!(refused.iter().all(|name| name.is_steering() && !vars.contains_key(name)));
    for entries in lists.values() {
        let is_entry = |entry: &String| entry.starts_with('/') && !entry.contains([':', '\0']);
        assert!(entries.iter().all(is_entry), "{entries:?}");
        let mut once = entries.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), entries.len(), "{entries:?}");
    }
}
