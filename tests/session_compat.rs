//! Projects that export secrets, and wrappers of groups, in a shell in which something is unlocked.

use crate::common::hooked::{Start, each};
use crate::common::tab::{tab, world};
use crate::common::world::World;

/// A project that exports the group `dev`, beside the group `g` of the user file.
fn compat() -> World {
    let world = world("");
    let text = "auto_export: true\ngroups: { dev: { TOKEN: K01 } }\nwrap: [g]\n";
    world.write("p/.mima.yaml", text);
    world.write("plain/.mima.yaml", "groups: { dev: { TOKEN: K01 } }\nwrap: [g]\n");
    for project in ["p", "plain"] {
        world.mima(&["allow", "--yes"]).cwd(world.home().join(project)).run().ok();
    }
    world
}

#[test]
fn who_comes_back_to_a_project_that_exports_is_not_asked_again() {
    each(|shell| {
        let world = compat();
        let mut hooked = tab(&world, shell);
        for _ in 0..3 {
            hooked.run("cd p");
            assert_eq!(hooked.exported("TOKEN").as_deref(), Some("value-of-K01"), "{shell}");
            hooked.run("cd ~");
            assert_eq!(hooked.exported("TOKEN"), None, "{shell}");
        }
        assert_eq!(world.take_asked(), 1, "{shell}");
        // Neither is who runs the group.
        hooked.run("cd p");
        assert_eq!(hooked.run("dev printenv TOKEN"), "value-of-K01\n", "{shell}");
        assert_eq!(world.take_asked(), 0, "{shell}");
        // Another shell is; but not before something was typed.
        let mut other = tab(&world, shell);
        other.run("cd p");
        assert_eq!(other.exported("TOKEN").as_deref(), Some("value-of-K01"), "{shell}");
        assert_eq!(world.take_asked(), 1, "{shell}");
        let third = Start::new(&world, shell).cwd(world.home().join("p")).start();
        assert!(third.greeting.contains("mima reload"), "{shell}: {}", third.greeting);
        assert_eq!(world.take_asked(), 0, "{shell}");
        // What the shell has, it has until it leaves.
        assert!(hooked.run("mima lock").contains("locked 1 group"), "{shell}");
        assert_eq!(hooked.exported("TOKEN").as_deref(), Some("value-of-K01"), "{shell}");
        hooked.run("cd ~");
        assert_eq!(world.take_asked(), 0, "{shell}");
        hooked.run("cd p");
        assert_eq!(world.take_asked(), 1, "{shell}");
    });
}

#[test]
fn who_has_unlocked_a_group_before_is_not_asked_by_the_project() {
    each(|shell| {
        let world = compat();
        let mut hooked = Start::new(&world, shell).cwd(world.home().join("p")).start();
        assert!(hooked.greeting.contains("mima reload"), "{shell}: {}", hooked.greeting);
        assert!(hooked.run("mima unlock dev").contains("unlocked for this shell: dev"));
        assert_eq!(world.take_asked(), 1, "{shell}");
        hooked.run("mima reload");
        assert_eq!(hooked.exported("TOKEN").as_deref(), Some("value-of-K01"), "{shell}");
        assert_eq!(world.take_asked(), 0, "{shell}");
    });
}

#[test]
fn a_wrapper_asks_once_and_then_not_again() {
    each(|shell| {
        let world = compat();
        let mut hooked = Start::new(&world, shell).cwd(world.home().join("plain")).start();
        assert_eq!(world.take_asked(), 0, "{shell}");
        for asked in [1, 0, 0] {
            assert_eq!(hooked.run("dev printenv TOKEN"), "value-of-K01\n", "{shell}");
            assert_eq!(world.take_asked(), asked, "{shell}");
        }
        for asked in [1, 0] {
            assert_eq!(hooked.run("g printenv TOKEN"), "value-of-K00\n", "{shell}");
            assert_eq!(world.take_asked(), asked, "{shell}");
        }
        assert!(hooked.run("mima lock").contains("locked 2 groups"), "{shell}");
        hooked.run("g true");
        assert_eq!(world.take_asked(), 1, "{shell}");
        // Of the shell itself it is nothing.
        assert_eq!(hooked.exported("TOKEN"), None, "{shell}");
    });
}
