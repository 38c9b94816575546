//! How long an unlock lasts, and what remains of it: rows H6 to H8 and H10 of the threat table.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::agents;
use crate::common::hooked::{Hooked, each};
use crate::common::is_root;
use crate::common::memory::{copies, secret_mappings};
use crate::common::tab::{LOCKED, tab, world};
use crate::common::world::World;

/// Waits for a moment.
fn sleep_until(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(Instant::now()));
}

/// A world in which `g` gives the canary.
fn guarded(settings: &str) -> World {
    let world = world(settings);
    world.mima(&["secret", "add", "--force", "K00"]).stdin(world.canary()).run().ok();
    world
}

/// Waits until nothing is unlocked any more, and makes sure that nothing of it remains.
#[track_caller]
fn assert_forgotten(world: &World, agent: i32, what: &str) {
    let start = Instant::now();
    while agents::unlocked(world) > 0 {
        assert!(start.elapsed() < Duration::from_secs(5), "not forgotten: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    if is_root("can look into the agent") {
        assert_eq!(secret_mappings(agent), 0, "{what}");
        assert_eq!(copies(agent, world.canary()), 0, "{what}");
    }
}

/// Unlocks, and makes sure that what is looked for later is there. Returns the agent.
#[track_caller]
fn unlock(world: &World, hooked: &mut Hooked) -> i32 {
    hooked.unlock();
    let agent = agents::pid(world);
    assert_eq!(agents::unlocked(world), 1);
    if is_root("can look into the agent") {
        // Memory that not even the kernel maps cannot be read by root either.
        let (secret, plain) = (secret_mappings(agent), copies(agent, world.canary()));
        assert_eq!(secret + plain, 1, "{secret} secret mappings, {plain} copies");
    }
    agent
}

#[test]
#[cfg(target_os = "linux")]
fn t_h6_the_end_of_the_shell_or_the_terminal_is_the_end_of_the_unlock() {
    for scope in ["", "session: { scope: terminal }\n"] {
        each(|shell| {
            let world = guarded(scope);
            let mut hooked = tab(&world, shell);
            let agent = unlock(&world, &mut hooked);
            hooked.pty.send_line("exit");
            hooked.pty.wait();
            assert_forgotten(&world, agent, "exit");

            let mut hooked = tab(&world, shell);
            assert_eq!(agent, unlock(&world, &mut hooked));
            drop(hooked);
            assert_forgotten(&world, agent, "the terminal is closed");

            let mut hooked = tab(&world, shell);
            assert_eq!(agent, unlock(&world, &mut hooked));
            agents::signal(hooked.pty.pid().as_raw_nonzero().get(), Signal::KILL);
            assert_forgotten(&world, agent, "the shell is killed");
        });
    }
}

/// The agent goes by itself once it has nothing to do, and takes its socket along.
#[test]
#[cfg(target_os = "linux")]
fn t_i4_after_a_lock_the_expiry_or_an_error_nothing_remains_in_the_agent() {
    let world = guarded("session: { idle: 2s, max: 1h }\n");
    let mut hooked = tab(&world, "bash");
    let agent = unlock(&world, &mut hooked);
    hooked.run("mima lock");
    assert_forgotten(&world, agent, "lock");
    unlock(&world, &mut hooked);
    world.mima(&["lock", "--all"]).run().ok();
    assert_forgotten(&world, agent, "lock --all");
    unlock(&world, &mut hooked);
    agents::signal(agent, Signal::HUP);
    assert_forgotten(&world, agent, "SIGHUP");
    // The second one takes the place of the first.
    unlock(&world, &mut hooked);
    hooked.unlock();
    assert_eq!(agents::unlocked(&world), 1);
    world.mima(&["secret", "add", "--force", "K00"]).stdin(world.canary()).run().ok();
    assert!(!hooked.passes());
    assert_forgotten(&world, agent, "the secret has changed");
    unlock(&world, &mut hooked);
    assert_forgotten(&world, agent, "nobody uses it");
    let ended = Instant::now() + Duration::from_secs(30);
    while std::path::Path::new(&format!("/proc/{agent}/exe")).exists() {
        assert!(Instant::now() < ended, "it stays with nothing to do");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!world.socket().exists());
}

#[test]
fn t_h7_use_keeps_it_alive_until_the_end_and_no_longer() {
    let (idle, max) = (Duration::from_secs(3), Duration::from_secs(6));
    let world = world("session: { idle: 3s, max: 6s }\n");
    let mut hooked = tab(&world, "bash");
    let before = Instant::now();
    hooked.unlock();
    let after = Instant::now();
    let mut used = before;
    let mut longest = Duration::ZERO;
    for second in 1..8 {
        sleep_until(before + Duration::from_secs(second));
        let asks = Instant::now();
        let passes = hooked.passes();
        // A machine that is too slow for a second cannot tell.
        let done = Instant::now();
        let (is_idle, is_over) = (done >= used + idle, done >= before + max);
        assert!(passes || is_idle || is_over, "asked after {:?}", done - before);
        assert!(!passes || asks < after + max, "passes after {:?}", asks - after);
        if passes {
            (used, longest) = (asks, asks - before);
        }
    }
    assert!(longest > idle, "it was kept for {longest:?} only");
    assert!(!hooked.passes());
    assert_eq!(world.asked(), 1);
}

#[test]
fn t_h8_looking_keeps_nothing_alive() {
    let world = world("session: { idle: 3s, max: 1h }\n");
    world.write("p/.mima.yaml", "auto_export: true\ngroups: { dev: { TOKEN: K00 } }\n");
    let project = world.home().join("p");
    world.mima(&["allow", "--yes"]).cwd(&project).run().ok();
    let mut hooked = tab(&world, "bash");
    hooked.run("cd p");
    let after = Instant::now();
    assert_eq!(world.asked(), 1);
    assert_eq!(hooked.run("printenv TOKEN"), "value-of-K00\n");
    let mut looks = 0;
    while after.elapsed() < Duration::from_millis(2900) {
        let said = hooked.run("mima session status; mima status; mima doctor");
        let is_open = said.contains("unlocked for this shell: dev");
        // What the hook gets from the agent is no use of it.
        hooked.run("cd ~");
        hooked.run("cd p");
        let exported = hooked.run("printenv TOKEN");
        if is_open && exported.contains("value-of-K00") {
            looks += 1;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(looks > 1, "it was looked at {looks} times only");
    sleep_until(after + Duration::from_secs(3));
    let said = hooked.run("mima run --no-prompt dev -- true");
    assert!(said.contains(LOCKED), "{said}");
    assert!(hooked.run("mima session status").contains("nothing is unlocked here"));
}

/// An agent that did not run when something was over forgets it before it answers.
#[test]
#[cfg(target_os = "linux")]
fn t_h10_an_agent_that_was_stopped_answers_nothing_that_is_over() {
    for settings in ["session: { idle: 2s, max: 1h }\n", "session: { max: 2s }\n"] {
        let world = world(settings);
        let mut hooked = tab(&world, "bash");
        hooked.unlock();
        let after = Instant::now();
        let agent = agents::pid(&world);
        assert!(hooked.passes() || after.elapsed() > Duration::from_secs(1), "{settings}");
        let used = Instant::now();
        agents::signal(agent, Signal::STOP);
        // This waits for it already, and is the first to be answered.
        sleep_until(used + Duration::from_millis(1500));
        hooked.pty.send_line("mima run --no-prompt g -- printenv TOKEN");
        sleep_until(used + Duration::from_secs(2));
        agents::signal(agent, Signal::CONT);
        let said = hooked.next_prompt();
        assert!(said.contains(LOCKED) && !said.contains("value-of"), "{settings}: {said}");
        assert!(!hooked.passes(), "{settings}");
    }
}

/// While it does not answer, the person is asked, after a moment.
#[test]
#[cfg(target_os = "linux")]
fn t_h10_an_agent_that_is_stopped_holds_nobody_up_for_long() {
    let world = world("");
    let mut hooked = tab(&world, "bash");
    hooked.unlock();
    let agent = agents::pid(&world);
    agents::signal(agent, Signal::STOP);
    let start = Instant::now();
    let said = hooked.run("mima run g -- printenv TOKEN");
    assert!(said.ends_with("so you are asked\nvalue-of-K00\n"), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(world.asked(), 2);
    agents::signal(agent, Signal::CONT);
    assert!(hooked.passes());
}
