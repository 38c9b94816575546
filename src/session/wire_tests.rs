//! Messages and bytes, there and back.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Frames of this version, by name. They stay as they are: another mima speaks them too.
const RECORDED: &str = include_str!("../../tests/fixtures/frames-1.txt");

const WHOSE: [Whose; 4] = [Whose::Shell, Whose::ShellAsTold, Whose::Terminal, Whose::Tree];

/// Either side's message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Message {
    Request(Request),
    Reply(Reply),
}

impl Message {
    fn encode(&self) -> Option<Vec<u8>> {
        match self {
            Self::Request(request) => request.encode(),
            Self::Reply(reply) => reply.encode(),
        }
    }
}

/// Reads a frame as whichever it is; never as both.
fn decode(frame: &[u8]) -> Result<Message, Fault> {
    let (header, payload) = frame.split_first_chunk().ok_or(Fault::Malformed)?;
    let header = Header::decode(header)?;
    if header.len != payload.len() {
        return Err(Fault::Malformed);
    }
    let request = Request::decode(header, payload).map(Message::Request);
    let reply = Reply::decode(header, payload).map(Message::Reply);
    assert!(request.is_err() || reply.is_err(), "{frame:?} is both");
    request.or(reply)
}

fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

fn vars(names: &[(&str, u32)]) -> Vars {
    names.iter().map(|(name, len)| (VarName::parse(name).unwrap(), *len)).collect()
}

fn wanted(name: &str) -> Wanted {
    Wanted { group: group(name), source: [0xa5; 16], state: [0x5a; 16] }
}

/// What the recorded frames say.
fn examples() -> Vec<(&'static str, Message)> {
    let put = |whose, names: &[(&str, u32)]| {
        let (idle, max) = (Duration::from_secs(600), Duration::from_secs(7200));
        Message::Request(Request::Put(Put {
            whose,
            idle,
            max,
            wanted: wanted("dev"),
            vars: vars(names),
        }))
    };
    let get = |names: &[&str], is_use| {
        let wanted = names.iter().map(|name| wanted(name)).collect();
        Message::Request(Request::Get { wanted, within: Whose::Shell, is_use })
    };
    let unlocked = |name, whose, root| Unlocked {
        group: group(name),
        whose,
        idle: Duration::from_millis(1),
        max: Duration::from_millis(0x0102_0304_0506),
        root,
    };
    let status = |unlocked, elsewhere, is_granted| {
        let memory = "memory of gold – truly".to_owned();
        Message::Reply(Reply::Status(Status { pid: 4242, memory, unlocked, elsewhere, is_granted }))
    };
    let reply = Message::Reply;
    let refused = |why| Message::Reply(Reply::Refused(why));
    vec![
        ("get-nothing", get(&[], false)),
        ("get-one", get(&["dev"], true)),
        ("get-two", get(&["agent-claude", "7"], true)),
        ("get-look", get(&["dev"], false)),
        ("put-shell", put(Whose::Shell, &[("A", 1), ("_B2", 0)])),
        ("put-told", put(Whose::ShellAsTold, &[("TOKEN", u32::MAX)])),
        ("put-terminal", put(Whose::Terminal, &[("A", 0x0001_0203)])),
        ("put-tree", put(Whose::Tree, &[])),
        ("lock", Message::Request(Request::Lock { all: false })),
        ("lock-all", Message::Request(Request::Lock { all: true })),
        ("status", Message::Request(Request::Status)),
        ("stop", Message::Request(Request::Stop)),
        (
            "found",
            reply(Reply::Found(vec![
                (group("dev"), vars(&[("A", 1), ("B", 2)])),
                (group("e"), Vec::new()),
            ])),
        ),
        ("miss", reply(Reply::Miss)),
        ("send", reply(Reply::Send)),
        ("done", reply(Reply::Done(3))),
        ("status-empty", status(Vec::new(), 0, false)),
        (
            "status-full",
            status(
                vec![
                    unlocked("dev", Whose::Shell, 0),
                    unlocked("a", Whose::ShellAsTold, 0),
                    unlocked("b", Whose::Terminal, 0),
                    unlocked("c", Whose::Tree, 77),
                ],
                2,
                true,
            ),
        ),
        ("refused-malformed", refused(Refusal::Malformed)),
        ("refused-stranger", refused(Refusal::Stranger)),
        ("refused-memory", refused(Refusal::NoMemory)),
        ("refused-screen", refused(Refusal::ScreenLocked)),
    ]
}

fn recorded() -> BTreeMap<&'static str, Vec<u8>> {
    let line = |line: &'static str| {
        let (name, frame) = line.split_once(' ').unwrap();
        (name, hex::decode(frame).unwrap())
    };
    RECORDED.lines().map(line).collect()
}

#[test]
fn every_message_has_the_bytes_that_were_recorded() {
    let mut recorded = recorded();
    for (name, message) in examples() {
        let frame = message.encode().unwrap();
        let known = recorded.remove(name);
        assert_eq!(known.as_ref(), Some(&frame), "{name} {}", hex::encode(&frame));
        assert_eq!(decode(&frame).as_ref(), Ok(&message), "{name}");
    }
    assert!(recorded.is_empty(), "nobody knows what these say: {recorded:?}");
}

#[test]
fn t_g8_a_frame_that_is_cut_or_has_more_behind_it_is_none() {
    for (name, frame) in recorded() {
        for end in 0..frame.len() {
            assert!(decode(&frame[..end]).is_err(), "{name} {end}");
        }
        // The same with a length that fits what is there.
        for len in (0..frame.len() - HEADER).chain([frame.len() - HEADER + 1]) {
            let mut other = frame.clone();
            other.resize(HEADER + len, 0);
            other[6..HEADER].copy_from_slice(&u32::try_from(len).unwrap().to_be_bytes());
            assert!(decode(&other).is_err(), "{name} {len}");
        }
    }
}

#[test]
fn t_g8_a_header_is_believed_within_bounds() {
    let header = |magic: &[u8; 4], major: u8, kind: u8, len: u32| {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(magic);
        bytes[4..6].copy_from_slice(&[major, kind]);
        bytes[6..].copy_from_slice(&len.to_be_bytes());
        Header::decode(&bytes)
    };
    let largest = u32::try_from(LARGEST).unwrap();
    for len in [0, 1, largest] {
        assert_eq!(header(b"mima", MAJOR, 1, len).unwrap().len, usize::try_from(len).unwrap());
    }
    for len in [largest + 1, u32::MAX, 1 << 31] {
        assert_eq!(header(b"mima", MAJOR, 1, len), Err(Fault::Malformed), "{len}");
    }
    for magic in [b"MIMA", b"mim\0", b"\0\0\0\0", b"GET "] {
        assert_eq!(header(magic, MAJOR, 1, 0), Err(Fault::Malformed), "{magic:?}");
    }
}

/// Of another version nothing counts but that it is one, whatever it means there.
#[test]
fn t_g13_another_version_is_told_from_nonsense() {
    for major in (0..=u8::MAX).filter(|major| *major != MAJOR) {
        let bytes = [b'm', b'i', b'm', b'a', major, 200, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Header::decode(&bytes), Err(Fault::Version(major)));
    }
}

#[test]
fn t_g8_unknown_kinds_flags_and_words_are_refused() {
    let with = |kind: u8, payload: &[u8]| {
        let mut frame = vec![b'm', b'i', b'm', b'a', MAJOR, kind];
        frame.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
        frame.extend(payload);
        decode(&frame)
    };
    let known = [1, 2, 3, 4, 5, 65, 66, 67, 68, 69, 70];
    for kind in (0..=u8::MAX).filter(|kind| !known.contains(kind)) {
        for payload in [&[][..], &[0], &[0; 4], &[0; 64]] {
            assert!(with(kind, payload).is_err(), "{kind}");
        }
    }
    for byte in 2..=u8::MAX {
        assert!(with(3, &[byte]).is_err(), "a flag of {byte}");
        assert_eq!(with(1, &[byte, 0, 0]).is_err(), byte > 5, "a flag of {byte}");
    }
    for byte in 4..=u8::MAX {
        assert!(with(70, &[byte]).is_err(), "a refusal of {byte}");
        let mut put = recorded()["put-tree"][HEADER..].to_vec();
        put[0] = byte;
        assert!(with(2, &put).is_err(), "whose is {byte}");
    }
    for name in ["", "-x", "a/b", "../x", "é", "a b", "a\0", "a\n", &"a".repeat(65)] {
        let len = u16::try_from(name.len()).unwrap().to_be_bytes();
        let group = [&len, name.as_bytes(), &[0; 32]].concat();
        assert!(with(1, &[&[1, 0, 1], &*group].concat()).is_err(), "{name}");
        let found = [&[0, 1][..], &len[..], name.as_bytes(), &[0, 0]].concat();
        assert!(with(65, &found).is_err(), "{name}");
    }
    for name in ["", "1A", "A-B", "A=B", "é", "A\0", &"A".repeat(129)] {
        let len = u16::try_from(name.len()).unwrap().to_be_bytes();
        let found = [&[0, 1, 0, 1, b'g', 0, 1][..], &len[..], name.as_bytes(), &[0; 4]].concat();
        assert!(with(65, &found).is_err(), "{name}");
    }
    // No text in UTF-8.
    assert!(with(1, &[&[1, 0, 1, 0, 1, 0xff], &[0; 32][..]].concat()).is_err());
}

#[test]
fn t_g8_a_list_that_announces_more_than_comes_is_refused() {
    for frame in [&[0xff, 0xff][..], &[0xff, 0xff, 0, 1, b'g', 0xff, 0xff], &[0, 1, 0xff, 0xff]] {
        let list = read(frame, |from| from.list(|from| Some((from.group()?, from.vars()?))));
        assert_eq!(list, Err(Fault::Malformed));
    }
}

#[test]
fn what_is_too_long_for_a_frame_is_no_frame() {
    let get = |count| Request::Get {
        wanted: vec![wanted("dev"); count],
        within: Whose::Shell,
        is_use: true,
    };
    let each = 2 + 3 + 32;
    let most = (LARGEST - 3) / each;
    assert_eq!(get(most).encode().unwrap().len(), HEADER + 3 + most * each);
    for count in [most + 1, 65_535, 65_536, 65_537] {
        assert_eq!(get(count).encode(), None, "{count}");
    }
    for len in [LARGEST - 13, LARGEST - 12, 65_535, 65_536, 65_537, 200_000] {
        let memory = "m".repeat(len);
        let status =
            Status { pid: 0, memory, unlocked: Vec::new(), elsewhere: 0, is_granted: false };
        let frame = Reply::Status(status.clone()).encode();
        // Five numbers, lengths and flags: 4 + 2 + 2 + 4 + 1 bytes.
        assert_eq!(frame.is_some(), len + 13 <= LARGEST, "{len}");
        if let Some(frame) = frame {
            assert_eq!(decode(&frame), Ok(Message::Reply(Reply::Status(status))));
        }
    }
}

/// A length of time goes over in milliseconds; what is longer than all of them is for ever.
#[test]
fn a_time_that_does_not_fit_is_as_good_as_for_ever() {
    let mut to = Writer::default();
    to.time(Duration::MAX);
    to.time(Duration::from_micros(1999));
    let times = read(&to.0, |from| Some([from.time()?, from.time()?]));
    assert_eq!(times, Ok([u64::MAX, 1].map(Duration::from_millis)));
}

fn any_group() -> impl Strategy<Value = GroupName> {
    "[A-Za-z0-9][A-Za-z0-9._-]{0,63}".prop_map(|name| group(&name))
}

fn any_vars() -> impl Strategy<Value = Vars> {
    let name = "[A-Za-z_][A-Za-z0-9_]{0,127}".prop_map(|name| VarName::parse(&name).unwrap());
    vec((name, any::<u32>()), 0..6)
}

fn any_wanted() -> impl Strategy<Value = Wanted> {
    let fields = (any_group(), any::<Digest>(), any::<Digest>());
    fields.prop_map(|(group, source, state)| Wanted { group, source, state })
}

fn any_time() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_millis)
}

fn any_request() -> impl Strategy<Value = Request> {
    let put = (prop::sample::select(&WHOSE[..]), any_time(), any_time(), any_wanted(), any_vars());
    prop_oneof![
        (vec(any_wanted(), 0..6), prop::sample::select(&WITHIN[..]), any::<bool>())
            .prop_map(|(wanted, within, is_use)| Request::Get { wanted, within, is_use }),
        put.prop_map(|(whose, idle, max, wanted, vars)| {
            Request::Put(Put { whose, idle, max, wanted, vars })
        }),
        any::<bool>().prop_map(|all| Request::Lock { all }),
        Just(Request::Status),
        Just(Request::Stop),
    ]
}

fn any_reply() -> impl Strategy<Value = Reply> {
    let unlocked = (any_group(), prop::sample::select(&WHOSE[..]), any_time(), any_time());
    let unlocked = (unlocked, any::<u32>())
        .prop_map(|((group, whose, idle, max), root)| Unlocked { group, whose, idle, max, root });
    let status = (any::<u32>(), any::<String>(), vec(unlocked, 0..6), any::<u32>(), any::<bool>());
    prop_oneof![
        vec((any_group(), any_vars()), 0..6).prop_map(Reply::Found),
        Just(Reply::Miss),
        Just(Reply::Send),
        any::<u32>().prop_map(Reply::Done),
        status.prop_map(|(pid, memory, unlocked, elsewhere, is_granted)| {
            Reply::Status(Status { pid, memory, unlocked, elsewhere, is_granted })
        }),
        prop::sample::select(&REFUSALS[..]).prop_map(Reply::Refused),
    ]
}

fn any_message() -> impl Strategy<Value = Message> {
    prop_oneof![any_request().prop_map(Message::Request), any_reply().prop_map(Message::Reply),]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(message in any_message()) {
        let frame = message.encode().unwrap();
        prop_assert_eq!(decode(&frame), Ok(message));
    }

    #[test]
    fn t_g8_what_can_be_read_is_written_alike(
        kind in prop_oneof![prop::sample::select(&[1u8, 2, 3, 4, 5, 65, 66, 67, 68, 69, 70][..]), any::<u8>()],
        payload in vec(prop_oneof![3 => 0..4u8, 1 => any::<u8>()], 0..80),
    ) {
        let mut frame = vec![b'm', b'i', b'm', b'a', MAJOR, kind];
        frame.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
        frame.extend(&payload);
        if let Ok(message) = decode(&frame) {
            prop_assert_eq!(message.encode(), Some(frame));
        }
    }

    #[test]
    fn t_g8_a_frame_with_some_bytes_changed_is_read_as_it_is_written_or_not_at_all(
        message in any_message(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut frame = message.encode().unwrap();
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        if let Ok(message) = decode(&frame) {
            prop_assert_eq!(message.encode(), Some(frame));
        }
    }

    #[test]
    fn t_g8_no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(message) = decode(&bytes) {
            prop_assert_eq!(message.encode(), Some(bytes));
        }
    }
}
