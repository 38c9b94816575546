//! `mima schema`: what editors read. That it says what the parser says is tested beside both.

use crate::common::world::World;

#[test]
fn each_file_has_a_schema() {
    let world = World::new();
    for (args, has, lacks) in
        [(&["schema"][..], "PATH_add", "store"), (&["schema", "--user"], "store", "PATH_add")]
    {
        let output = world.mima(args).run();
        let schema: serde_json::Value =
            serde_json::from_slice(&output.ok().quiet().stdout).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["additionalProperties"], false);
        let keys = schema["properties"].as_object().unwrap();
        assert!(keys.contains_key("groups") && keys.contains_key(has) && !keys.contains_key(lacks));
    }
    // Nothing is read for it, and nothing made.
    assert_eq!(std::fs::read_dir(world.home()).unwrap().count(), 0);
}
