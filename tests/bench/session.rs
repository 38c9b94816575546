//! The session agent: what a `run` costs when nobody is asked, and what a crowd does to it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mima::names::{GroupName, VarName};
use mima::session::wire::{
    HEADER, Header, LARGEST, MAJOR, Put, READY, Reply, Request, Status, Wanted, Whose,
};

use crate::measure::time;
use crate::prompt::{BASH_PROMPT, Typist, find};
use crate::report::Report;
use crate::vault::{groups, prepare};

/// How many rounds of runs count, and how many runs are a round.
const ROUNDS: u32 = 60;
const TURNS: u32 = 20;
/// How many answers the median is of.
const ANSWERS: usize = 4000;
/// How many clients of each kind come at once.
const CROWD: usize = 1000;
/// How many of the honest ones are on their way at a time.
const THREADS: usize = 50;

/// What the figures may be at most.
const MOST_WARM: f64 = 2.0;
const MOST_ANSWER: f64 = 5.0;
const MOST_SECONDS: f64 = 3.0;

/// The agent's memory, in bytes: with 50 secrets and nothing to do, and at its peak in a crowd.
/// Only Linux tells.
pub(crate) struct Memory {
    pub(crate) idle: Option<u64>,
    pub(crate) peak: Option<u64>,
}

/// What it may be at most, in MiB: 4 MB, and 40.
pub(crate) const MOST_IDLE: f64 = 3.8;
pub(crate) const MOST_PEAK: f64 = 38.0;

/// Measures all there is about the agent; `None` where there is no bash to type at.
pub(crate) fn measure(report: &mut Report, scratch: &Path, mima: &Path) -> Option<Memory> {
    let Some(bash) = find("bash") else {
        eprintln!("no bash here: nothing is said about the session agent");
        return None;
    };
    mima::sys::process::raise_file_limit();
    let home = scratch.join("session-home");
    let askpass = prepare(scratch, &home);
    std::fs::write(home.join("mima.yaml"), groups()).unwrap();
    // Beside mima: starting a program depends on the file system that it is on.
    let env = scratch.join("env");
    std::fs::copy(find("env").unwrap(), &env).unwrap();

    let mut shell = Command::new(bash);
    shell.args(["--noprofile", "--norc", "-i"]).env("MIMA_HOME", &home);
    shell.env("MIMA_STORE", "vault").env("MIMA_ASKPASS", askpass).env("TERM", "xterm");
    let mut typist = Typist::new(&mut shell, BASH_PROMPT);
    let (ours, bare) = warm(&mut typist, mima, &env);

    let agent = Agent { socket: home.join("run/agent.sock") };
    agent.put();
    let ssh = SshAgent::start(scratch);
    let (get, ask) = medians(&agent, ssh.as_ref());
    let pid = agent.status().pid;
    let idle = memory(pid, "VmRSS:");

    report.table(&["the session agent", "ratio", "at most"]);
    for (what, ours, bare, most) in [
        ("a `run` of 50 secrets, nobody is asked / `env A=1 true`", ours, Some(bare), MOST_WARM),
        ("50 values from the agent / a question to ssh-agent", get, ask, MOST_ANSWER),
    ] {
        let ratio = bare.map(|bare| ours.as_secs_f64() / bare.as_secs_f64());
        report.row(what, &[ratio, Some(most)]);
        report.limit(what, ratio.unwrap_or_default(), most);
    }
    let (errors, closed) = crowd(&agent);
    report.table(&["under 1000 idle, 1000 stalled and 1000 honest clients", "", "at most"]);
    for (what, is, most) in [
        ("honest clients that are not served", f64::from(errors), 0.0),
        ("seconds until all stalled ones are closed", closed.as_secs_f64(), MOST_SECONDS),
    ] {
        report.row(what, &[Some(is), Some(most)]);
        report.limit(what, is, most);
    }
    let peak = memory(pid, "VmHWM:");
    let _ended = agent.ask(&Request::Stop);
    Some(Memory { idle, peak })
}

/// Runs a command with 50 secrets, over and over, against one that sets one variable.
fn warm(typist: &mut Typist, mima: &Path, env: &Path) -> (Duration, Duration) {
    let (mima, env) = (mima.to_str().unwrap(), env.to_str().unwrap());
    let each = format!("for ((i = 0; i < {TURNS}; i++)); do");
    typist.enter(&format!("warm() {{ {each} {mima} run all -- true; done; }}"));
    typist.enter(&format!("bare() {{ {each} {env} A=1 true; done; }}"));
    typist.enter(&format!("{mima} run all -- true"));
    // From now on there is nobody to ask.
    typist.enter("export MIMA_ASKPASS=/nobody");
    typist.enter(&format!("{mima} run all -- sh -c 'test \"$V49\" = value-of-K49' || exit"));
    let mut best = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (best, line) in best.iter_mut().zip(["warm", "bare"]) {
            *best = typist.enter(line).min(*best);
        }
    }
    (best[0], best[1])
}

/// The medians of one group from the agent, and of one answer of ssh-agent, each with a new
/// connection.
fn medians(agent: &Agent, ssh: Option<&SshAgent>) -> (Duration, Option<Duration>) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ANSWERS {
        ours.push(time(|| assert!(agent.get().is_ok_and(|bytes| bytes == 50 * 12))));
        if let Some(ssh) = ssh {
            theirs.push(time(|| ssh.ask()));
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    };
    (median(&mut ours).unwrap(), median(&mut theirs))
}

/// Lets a crowd come. Returns how many honest clients were not served, and how long it took until
/// the last of the others was closed.
fn crowd(agent: &Agent) -> (u32, Duration) {
    let mut header = vec![b'm', b'i', b'm', b'a', MAJOR, 2];
    header.extend(u32::try_from(LARGEST).unwrap().to_be_bytes());
    let half = [header, vec![0; LARGEST - HEADER]].concat();
    let mut stalled: Vec<_> = (0..CROWD).map(|_| agent.connect().unwrap()).collect();
    for _ in 0..CROWD {
        let mut stream = agent.connect().unwrap();
        // It may be closed already.
        let _closed = stream.write_all(&half);
        stalled.push(stream);
    }
    let start = Instant::now();
    let errors = std::thread::scope(|scope| {
        let some = || (0..CROWD / THREADS).filter(|_| agent.get().is_err()).count();
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(some)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    for stream in &mut stalled {
        let _closed = stream.read(&mut [0]);
    }
    (u32::try_from(errors).unwrap(), start.elapsed())
}

/// The agent that the first `run` has started, and a client of it without a process.
struct Agent {
    socket: PathBuf,
}

impl Agent {
    fn connect(&self) -> std::io::Result<UnixStream> {
        UnixStream::connect(&self.socket)
    }

    fn ask(&self, request: &Request) -> std::io::Result<(UnixStream, Reply)> {
        let mut stream = self.connect()?;
        stream.write_all(&request.encode().unwrap())?;
        let reply = reply(&mut stream)?;
        Ok((stream, reply))
    }

    fn status(&self) -> Status {
        match self.ask(&Request::Status).unwrap() {
            (_, Reply::Status(status)) => status,
            (_, other) => panic!("{other:?}"),
        }
    }

    /// Leaves 50 values with it, for this process.
    fn put(&self) {
        let var = |at| (VarName::parse(&format!("V{at}")).unwrap(), 12);
        let hour = Duration::from_secs(3600);
        let vars = (0..50).map(var).collect();
        let put = Put { whose: Whose::Tree, idle: hour, max: hour, wanted: wanted(), vars };
        let (mut stream, _) = self.ask(&Request::Put(put)).unwrap();
        stream.write_all(&[b'v'; 50 * 12]).unwrap();
        assert_eq!(reply(&mut stream).unwrap(), Reply::Done(1));
    }

    /// Gets them, and returns how many bytes they are.
    fn get(&self) -> std::io::Result<usize> {
        let get = Request::Get { wanted: vec![wanted()], within: Whose::Shell, is_use: true };
        let (mut stream, reply) = self.ask(&get)?;
        assert!(matches!(reply, Reply::Found(_)), "{reply:?}");
        stream.write_all(&[READY])?;
        let mut values = [0; 50 * 12];
        stream.read_exact(&mut values)?;
        Ok(values.len())
    }
}

fn wanted() -> Wanted {
    Wanted { group: GroupName::parse("bench").unwrap(), source: [1; 16], state: [2; 16] }
}

fn reply(stream: &mut UnixStream) -> std::io::Result<Reply> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header)?;
    let header = Header::decode(&header).unwrap();
    let mut payload = vec![0; header.len];
    stream.read_exact(&mut payload)?;
    Ok(Reply::decode(header, &payload).unwrap())
}

/// An ssh-agent without keys.
struct SshAgent {
    child: Child,
    socket: PathBuf,
}

impl SshAgent {
    fn start(scratch: &Path) -> Option<Self> {
        let Some(program) = find("ssh-agent") else {
            eprintln!("no ssh-agent here: its row stays empty (tests/tools/install.sh ssh-agent)");
            return None;
        };
        let socket = scratch.join("ssh.sock");
        let mut command = Command::new(program);
        command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null());
        let this = Self { child: crate::spawn(&mut command), socket };
        let start = Instant::now();
        while UnixStream::connect(&this.socket).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "ssh-agent does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(this)
    }

    /// Asks which keys it has.
    fn ask(&self) {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        // SSH_AGENTC_REQUEST_IDENTITIES; the answer says that there are none.
        stream.write_all(&[0, 0, 0, 1, 11]).unwrap();
        let mut answer = [0; 9];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0, 0, 0, 5, 12, 0, 0, 0, 0]);
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

fn memory(pid: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}
