//! A Mac that is none: stand-ins for Apple's programs, which record how they were called, and
//! fail when a test wants them to.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::command::Output;
use super::leaks::files_below;
use super::world::{World, copy_tree, mima};

/// Ada's identity: what `security` calls its number is the SHA-1 of her certificate.
pub(crate) const ADA: &str = "136205024B3E6CB4D81CA7064EF24F940D45F08D";
/// What is called Ada's certificate here, in Base64.
const ADAS: &str = "Y2VydGlmaWNhdGUgb2YgQWRhCg==";
/// Another one.
const BOBS: &str = "Y2VydGlmaWNhdGUgb2YgQm9iCg==";
/// The same as an identity.
pub(crate) const BOB: &str = "5639ED97A7EAA987DDD5B82DC30F0AB5E64C751C";
/// Ada's identity, by its name.
pub(crate) const ADA_NAME: &str = "Apple Development: Ada (ADAADAADA1)";

/// What every stand-in does first: it records the call, an argument with a blank in quotes, and
/// fails if the call is like one of the patterns in `failing`.
pub(crate) const RECORD: &str = r#"mac=${0%/*}/../mac
call=${0##*/}
for arg; do
  case $arg in *' '*) call="$call '$arg'" ;; *) call="$call $arg" ;; esac
done
printf '%s\n' "$call" >>"$mac/calls"
while IFS= read -r failing; do
  case $call in $failing) echo "${0##*/}: told to fail" >&2; exit 1 ;; esac
done <"$mac/failing"
"#;

/// Prints the files of a test as what they stand for.
const SECURITY: &str = r#"case $1 in
  find-identity) cat "$mac/identities" ;;
  cms) grep -q '^Name=' "$4" && cat "$4" ;;
esac
"#;

/// Keeps the entitlements that it signs with, and gives them back.
const CODESIGN: &str = r#"last= previous=
for arg; do
  [ "$previous" != --entitlements ] || given=$arg
  previous=$arg
done
case "$1 $2" in
  '-f -s')
    mkdir "$arg/Contents/_CodeSignature"
    [ -e "$mac/forgetful" ] || [ -z "${given:-}" ] || cp "$given" "$mac/signed" ;;
  '-d --verbose=2') printf 'Identifier=x\nTeamIdentifier=%s\n' "$(cat "$mac/team")" >&2 ;;
  '-d --entitlements') cat "$mac/signed" 2>/dev/null ;;
esac
exit 0
"#;

/// Reads `KEY=VALUE` or, of a property list, the string after a key.
const PLUTIL: &str = r#"[ "$1 $3 $4 $5" = '-extract raw -o -' ] || { echo "plutil: $*" >&2; exit 64; }
if grep -q '<plist' "$6"; then
  found=$(KEY=$2 awk 'BEGIN { key = ENVIRON["KEY"]; sub(/\.0$/, "", key); gsub(/\\\./, ".", key) }
    index($0, "<key>" key "</key>") { on = 1 }
    on && sub(/.*<string>/, "") { sub(/<.*/, ""); print; exit }' "$6")
else
  found=$(KEY=$2 awk '{ at = index($0, "=") }
    substr($0, 1, at - 1) == ENVIRON["KEY"] { print substr($0, at + 1) }' "$6")
fi
# It says so where a value would be.
[ -n "$found" ] || { echo "Could not extract value"; exit 1; }
printf '%s\n' "$found"
"#;

/// The mima that is installed: dies in the app, or as a doctor, if it is told to.
const BINARY: &str = r#"case $0 in
  */Mima.app/*)
    printf '%s\n' "$0 $*" >>"@MAC@/calls"
    [ ! -e "@MAC@/killing" ] || kill -9 $$
    [ ! -e "@MAC@/broken" ] || exit 3 ;;
esac
[ "$1" != doctor ] || [ ! -e "@MAC@/sick" ] || exit 3
exec '@MIMA@' "$@"
"#;

/// The Mac, with a checkout of mima on it.
pub(crate) struct Mac {
    pub(crate) world: World,
    pub(crate) prefix: PathBuf,
}

impl Mac {
    /// Makes one where nobody can sign.
    pub(crate) fn new() -> Self {
        let world = World::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let checkout = world.home().join("check out");
        copy_tree(&root.join("dist"), &checkout.join("dist"));
        for file in ["Makefile", "entitlements.plist"] {
            std::fs::copy(root.join(file), checkout.join(file)).unwrap();
        }
        std::fs::create_dir(world.root().join("mac")).unwrap();
        world.script("uname", "echo Darwin\n");
        world.script("sleep", "");
        // There it is bash, which reads some patterns differently from dash.
        world.script("sh", "exec bash --posix \"$@\"\n");
        for (name, body) in [
            ("security", SECURITY),
            ("codesign", CODESIGN),
            ("launchctl", ""),
            ("mv", "exec /bin/mv \"$@\"\n"),
            ("ln", "exec /bin/ln \"$@\"\n"),
            ("cp", "exec /bin/cp \"$@\"\n"),
        ] {
            world.script(name, &format!("{RECORD}{body}"));
        }
        world.script("plutil", PLUTIL);
        let mac = world.root().join("mac");
        let binary = BINARY.replace("@MAC@", mac.to_str().unwrap());
        let binary = binary.replace("@MIMA@", mima().to_str().unwrap());
        let binary = world.script("built", &binary);
        // Stands for the build, which `make install` has cargo do.
        let target = "mkdir -p target/release && /bin/cp";
        world.script("cargo", &format!("{target} '{}' target/release/mima\n", binary.display()));
        let prefix = world.home().canonicalize().unwrap().join("a prefix");
        let mac = Self { world, prefix };
        mac.has("identities", "     0 valid identities found\n");
        mac.has("team", "ADASTEAM01\n");
        mac.failing(&[]);
        mac
    }

    /// Makes one where Ada can sign.
    pub(crate) fn adas() -> Self {
        let mac = Self::new();
        mac.identities(&[(ADA, ADA_NAME)]);
        mac
    }

    /// Writes a file that a stand-in looks at.
    pub(crate) fn has(&self, name: &str, content: &str) {
        std::fs::write(self.world.root().join("mac").join(name), content).unwrap();
    }

    /// Makes the calls fail that are like one of these patterns.
    pub(crate) fn failing(&self, calls: &[&str]) {
        self.has("failing", &format!("{}\n", calls.join("\n")));
    }

    /// Who can sign.
    pub(crate) fn identities(&self, identities: &[(&str, &str)]) {
        let mut lines = String::new();
        for (at, (hash, name)) in identities.iter().enumerate() {
            writeln!(lines, "  {}) {hash} \"{name}\"", at + 1).unwrap();
        }
        self.has(
            "identities",
            &format!("{lines}     {} valid identities found\n", identities.len()),
        );
    }

    /// Downloads a profile, with some of its lines replaced by others.
    pub(crate) fn profile(&self, path: &str, changes: &[(&str, &str)]) -> PathBuf {
        let mut text = format!(
            "Name=A profile\n\
             Entitlements.com\\.apple\\.application-identifier=ADASTEAM01.com.example.mima\n\
             Entitlements.com\\.apple\\.developer\\.team-identifier=ADASTEAM01\n\
             Entitlements.keychain-access-groups=1\n\
             Entitlements.keychain-access-groups.0=ADASTEAM01.*\n\
             ExpirationDate=2999-12-31T23:59:59Z\n\
             DeveloperCertificates=2\n\
             DeveloperCertificates.0={BOBS}\n\
             DeveloperCertificates.1={ADAS}\n"
        );
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        self.world.write(path, text)
    }

    /// Runs `make TARGET` with these variables. What was recorded before is forgotten.
    pub(crate) fn make(&self, target: &str, variables: &[(&str, &str)]) -> Output {
        self.has("calls", "");
        let make = self.world.command("make").args(["-s", target]).cwd(self.checkout());
        let make = make.arg(format!("PREFIX={}", self.prefix.display()));
        make.args(variables.iter().map(|(name, value)| format!("{name}={value}"))).run()
    }

    /// Takes apart what `make install` printed: what it says itself, and what comes from the
    /// doctor that it calls in the end.
    #[track_caller]
    pub(crate) fn said(output: &Output) -> (String, String) {
        let out = output.out();
        let (itself, doctor) =
            out.split_once("mima: what mima doctor says:\n").unwrap_or_else(|| panic!("{output}"));
        (itself.to_owned(), doctor.to_owned())
    }

    /// Where it was checked out.
    pub(crate) fn checkout(&self) -> PathBuf {
        self.world.home().join("check out")
    }

    /// What was called since, in order, by the names that stand for the places; copying and
    /// renaming only if it is within the prefix and `moves` are wanted.
    pub(crate) fn calls(&self, moves: bool) -> Vec<String> {
        let calls = std::fs::read_to_string(self.world.root().join("mac/calls")).unwrap();
        let prefix = self.prefix.to_str().unwrap();
        let home = self.world.home().to_str().unwrap().to_owned();
        let is_move = |call: &&str| ["mv ", "ln ", "cp "].iter().any(|name| call.starts_with(name));
        let in_place = |call: &&str| !is_move(call) || (moves && !call.contains(".plist"));
        let name = |call: &str| {
            let call = call.replace('\'', "").replace(prefix, "PREFIX").replace(&home, "HOME");
            match call.find("/.mima.") {
                Some(at) => {
                    let end = at + "/.mima.XXXXXX".len();
                    let stage = call[at..end].to_owned();
                    call.replace(&format!("PREFIX/lib{stage}"), "STAGE")
                }
                None => call,
            }
        };
        calls.lines().filter(in_place).map(name).collect()
    }

    /// The installed app.
    pub(crate) fn app(&self, path: &str) -> PathBuf {
        self.prefix.join("lib/Mima.app").join(path)
    }

    /// The files and links below the prefix, and a stage that was left.
    pub(crate) fn installed(&self) -> Vec<String> {
        let mut files: Vec<_> = files_below(&self.prefix)
            .into_iter()
            .filter(|path| {
                let is_stage = path.file_name().unwrap().to_str().unwrap().starts_with(".mima.");
                is_stage || path.is_symlink() || !path.is_dir()
            })
            .map(|path| path.strip_prefix(&self.prefix).unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort();
        files
    }
}
