//! What others get to see of the session agent: rows I1 to I3 and I6 of the threat table. Root
//! sees everything, so somebody else uses the agent here.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::common::agents;
use crate::common::hooked::{Hooked, Start};
use crate::common::strace::{Line, trace};
use crate::common::tab::{LOCKED, user_file};
use crate::common::user::{USER, User};
use crate::common::{find, require};

/// A user with the group `g`, whose value is the canary, and another one.
fn user() -> Option<User> {
    let mut user = User::new()?;
    let world = &mut user.world;
    world.add_vault();
    world.write(".mima.yaml", user_file("  own: { KEY: K01 }\n"));
    let (canary, home) = (world.canary().to_owned(), world.home());
    user.give_all();
    user.mima(&["secret", "add", "--force", "K00"], &home).stdin(canary).run().ok();
    Some(user)
}

/// Starts a shell of the user, through other programs if need be.
#[track_caller]
fn tab(user: &User, through: &[&str]) -> Hooked {
    let wrapper = user.wrapper();
    let wrapper: Vec<_> =
        through.iter().copied().chain(wrapper.iter().map(String::as_str)).collect();
    Start::new(&user.world, "bash").under(&wrapper).start()
}

/// The agent of the user: the one process that holds its lock.
#[track_caller]
fn agent(user: &User) -> i32 {
    let holders = agents::holders(user.world.root());
    assert_eq!(holders.len(), 1, "{holders:?}");
    holders[0].as_raw_nonzero().get()
}

#[test]
fn t_i1_no_process_of_the_same_user_gets_to_see_the_agent() {
    let Some(user) = user() else { return };
    let mut hooked = tab(&user, &[]);
    hooked.unlock();
    let agent = agent(&user);
    let id = std::fs::read_to_string(format!("/proc/{agent}/status")).unwrap();
    assert!(id.contains(&format!("Uid:\t{USER}\t{USER}\t{USER}\t{USER}\n")), "{id}");
    for file in ["mem", "maps", "smaps", "environ", "pagemap", "auxv", "io", "syscall", "stack"] {
        let read = user.command("head").args(["-c", "1"]).arg(format!("/proc/{agent}/{file}"));
        let output = read.run();
        assert!(output.stdout.is_empty() && !output.status.success(), "{file}: {output}");
        let refused = ["Permission denied", "Operation not permitted"];
        assert!(refused.iter().any(|why| output.err().contains(why)), "{file}: {output}");
    }
    for dir in ["fd", "fdinfo", "map_files"] {
        let output = user.command("ls").arg(format!("/proc/{agent}/{dir}/")).run();
        assert!(output.stdout.is_empty() && !output.status.success(), "{dir}: {output}");
    }
    for link in ["exe", "cwd", "root"] {
        let output = user.command("readlink").arg(format!("/proc/{agent}/{link}")).run();
        assert!(output.stdout.is_empty() && !output.status.success(), "{link}: {output}");
    }
    if let Some(strace) = require("strace") {
        let output = user.command(strace.to_str().unwrap()).args(["-p", &agent.to_string()]).run();
        output.fails(1).stderr_has("Operation not permitted");
    }
    if let Some(gdb) = find("gdb") {
        let attach = ["--batch", "-nx", "-ex", "generate-core-file", "-p", &agent.to_string()];
        let output = user.command(gdb.to_str().unwrap()).args(attach).run();
        output.stderr_has("Operation not permitted");
    }
    if let Some(perl) = require("perl") {
        // pidfd_open(2) and pidfd_getfd(2), which have these numbers on all machines.
        let script = format!(
            "my $process = syscall 434, {agent}, 0; for my $fd (0 .. 20) \
             {{ my $got = syscall 438, $process, $fd, 0; print \"$got \" }} print $!{{EPERM}};"
        );
        let output = user.command(perl.to_str().unwrap()).args(["-MErrno", "-e", &script]).run();
        let out = output.ok().out();
        assert!(out.starts_with(&"-1 ".repeat(21)) && !out.ends_with(' '), "{output}");
    }
    assert!(hooked.run("mima run --no-prompt g -- printenv TOKEN").contains(user.world.canary()));
}

/// A client that was given values is seen no more than the agent is, and always served.
#[test]
fn t_i1_the_clients_of_the_agent_are_known_to_it_and_seen_by_nobody_else() {
    let Some(user) = user() else { return };
    let mut hooked = tab(&user, &[]);
    hooked.unlock();
    let line = "for i in $(seq 40); do mima run --no-prompt g -- printenv TOKEN; done";
    let said = hooked.run(line);
    assert_eq!(said, format!("{}\n", user.world.canary()).repeat(40));
    assert_eq!(user.world.asked(), 1);
}

#[test]
fn t_i2_an_agent_that_crashes_leaves_no_core_and_can_be_started_again() {
    let Some(user) = user() else { return };
    let Some(prlimit) = require("prlimit") else { return };
    let mut hooked = tab(&user, &[prlimit.to_str().unwrap(), "--core=unlimited"]);
    assert_eq!(hooked.run("ulimit -c"), "unlimited\n");
    for signal in [Signal::SEGV, Signal::ABORT, Signal::KILL] {
        hooked.unlock();
        let agent = agent(&user);
        let limits = std::fs::read_to_string(format!("/proc/{agent}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().skip(4).collect::<Vec<_>>(), ["0", "0", "bytes"]);
        let cwd = std::fs::read_link(format!("/proc/{agent}/cwd")).unwrap();
        let start = Instant::now();
        while !agents::holders(user.world.root()).is_empty() {
            assert!(start.elapsed() < Duration::from_secs(10), "{signal:?}");
            // Rust's runtime looks at the first SIGSEGV, and lets the next one crash.
            let _gone = rustix::process::kill_process(Pid::from_raw(agent).unwrap(), signal);
            std::thread::sleep(Duration::from_millis(10));
        }
        let cores = [format!("core.{agent}"), "core".to_owned()];
        for dir in [&cwd, Path::new("/"), &user.world.home(), &user.world.runtime().join("mima")] {
            assert!(cores.iter().all(|core| !dir.join(core).exists()), "{}", dir.display());
        }
        let said = hooked.run("mima run --no-prompt g -- true");
        assert!(said.contains(LOCKED), "{said}");
    }
}

/// Rather nothing than something that may be swapped out.
#[test]
fn t_i3_without_memory_that_stays_nothing_is_kept_and_everything_works() {
    let (Some(user), Some(prlimit)) = (user(), require("prlimit")) else { return };
    let canary = format!("{}\n", user.world.canary());
    let mut hooked = tab(&user, &[prlimit.to_str().unwrap(), "--memlock=0:0"]);
    let start = Instant::now();
    for asked in 1..3 {
        assert_eq!(hooked.run("mima run g -- printenv TOKEN"), canary);
        assert_eq!(user.world.asked(), asked);
    }
    let why = "no memory is left that is never swapped out, so nothing is kept\n\
               hint: ulimit -l shows how much there is\n";
    let said = hooked.run("mima unlock g");
    assert!(said.contains(why), "{said}");
    assert_eq!(hooked.run("mima unlock g 2>/dev/null; echo $?"), "1\n");
    let said = hooked.run("mima run --grant g own -- touch ran; echo =$?");
    assert!(said.contains(why) && said.ends_with("=125\n"), "{said}");
    assert!(!user.world.home().join("ran").exists());
    // Nobody waits for an agent that cannot be.
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    let said = hooked.run("mima run --no-prompt g -- true");
    assert!(said.contains(LOCKED), "{said}");
    let said = hooked.run("mima session status; mima doctor");
    assert!(said.contains("values are kept in no memory at all"), "{said}");
    assert!(said.contains("no memory can be kept from being swapped out"), "{said}");
}

/// What fits is kept, and what does not fit takes nothing away from it.
#[test]
fn t_i3_memory_that_is_enough_for_one_group_is_enough_for_one_group() {
    let (Some(user), Some(prlimit)) = (user(), require("prlimit")) else { return };
    let page = rustix::param::page_size();
    let limit = format!("--memlock={page}:{page}");
    let mut hooked = tab(&user, &[prlimit.to_str().unwrap(), &limit]);
    hooked.unlock();
    let said = hooked.run("mima unlock own");
    assert!(said.contains("no memory is left that is never swapped out"), "{said}");
    assert_eq!(hooked.run("mima run own -- printenv KEY"), "value-of-K01\n");
    let said = hooked.run("mima run --no-prompt g -- printenv TOKEN");
    assert_eq!(said, format!("{}\n", user.world.canary()));
    hooked.run("mima lock");
    assert!(hooked.run("mima unlock own").contains("mima: unlocked for this shell: own"));
    assert!(hooked.run("mima session status").contains("unlocked for this shell: own"));
}

/// One process leaves the value with the agent, and another one gets it from there.
#[test]
fn t_i6_on_its_way_through_the_agent_a_value_is_in_the_socket_and_in_the_exec() {
    let world = crate::common::tab::world("  own: { KEY: K01 }\n");
    world.mima(&["secret", "add", "--force", "K00"]).stdin(world.canary()).run().ok();
    // strace waits for the agent, too.
    let end = "kill $(mima session status | sed -n 's/.*agent is process //p')";
    let script = format!("mima run --no-prompt g -- /bin/true\n{end}\n");
    let inner = world.script("inner", &script);
    let command = world.mima(&["run", "--grant", "g", "own", "--"]).arg(inner);
    let Some((output, lines)) = trace(&world, command, &[]) else { return };
    output.ok().quiet();
    let holds = |calls: &[&str]| {
        let lines = lines.iter().filter(|line| line.text.contains(world.canary()));
        lines.filter(|line| calls.contains(&line.call.as_str())).collect::<Vec<_>>()
    };
    let (sent, received) = (holds(&["sendto", "writev"]), holds(&["recvfrom", "readv"]));
    // What the agent itself receives and sends is in memory that strace may not be able to read.
    assert!(lines.iter().any(|line| line.text.contains("\"session\", \"serve\"")), "{lines:#?}");
    assert!(!sent.is_empty() && !received.is_empty(), "{lines:#?}");
    let execs = holds(&["execve"]);
    assert!(execs.len() == 1 && execs[0].text.starts_with("execve(\"/bin/true\""), "{execs:#?}");
    let all = lines.iter().filter(|line| line.text.contains(world.canary())).count();
    assert_eq!(all, sent.len() + received.len() + 1);
    // There is no other socket, and nobody else to speak to.
    let calls = |line: &&Line| ["connect(", "bind("].iter().any(|call| line.text.starts_with(call));
    let connects = lines.iter().filter(calls);
    let place = world.runtime().join("mima/agent.");
    for line in connects {
        assert!(line.text.contains(place.to_str().unwrap()), "{}", line.text);
    }
}
