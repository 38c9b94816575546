//! Which variables nix gets, and which of a nix build's are none for a shell.
//!
//! `nix print-dev-env` tells the environment that the builder of a development shell had when its
//! set-up was done. Most of that is what the shell is for; the rest is about a build that is
//! over.

use super::{VarName, Words};

/// What a certificate file is called in a build, which may not use the network.
const NO_CERTIFICATES: &str = "/no-cert-file.crt";

/// Variables that are left out, whatever they hold.
static OF_THE_BUILD: Words = Words::new(&[
    // Directories and files of the build, which are gone.
    "NIX_ATTRS_JSON_FILE NIX_ATTRS_SH_FILE NIX_BUILD_TOP TEMP TEMPDIR TMP TMPDIR",
    // The user, the place and the terminal that a builder has: none. The shell has its own.
    "HOME LOGNAME OLDPWD PPID PWD SHELL SHLVL TERM terminfo TZ UID USER",
    // The state of the bash that ran the set-up.
    "_ BASH* IFS PS1 PS2 PS4 SHELLOPTS",
    // How the builder talks to nix, and a compiler that refuses all that is not in the store.
    "NIX_ENFORCE_PURITY NIX_LOG_FD NIX_REMOTE",
    // Code for a build: what it runs, and when. A data-only environment runs none of it.
    "*Hook *Hooks *Phase *Phases phases postBuild postCheck postConfigure postDist postFixup
     postInstall postInstallCheck postPatch postUnpack preBuild preCheck preConfigure preDist
     preFixup preInstall preInstallCheck prePatch preUnpack userHook",
    // What the derivation is made of and makes. `out` is never built.
    "allowedReferences allowedRequisites allowSubstitutes args builder buildInputs
     configureFlags depsBuildBuild depsBuildBuildPropagated depsBuildTarget
     depsBuildTargetPropagated depsHostHost depsHostHostPropagated depsTargetTarget
     depsTargetTargetPropagated disallowedReferences disallowedRequisites doCheck
     doInstallCheck dontAddDisableDepTrack initialPath name nativeBuildInputs out outputs patches
     pname preferLocalBuild propagatedBuildInputs propagatedNativeBuildInputs
     requiredSystemFeatures shell src srcs stdenv strictDeps system version",
]);

/// Variables of the user that nix gets: nothing else can decide what it does.
static FOR_NIX: Words = Words::new(&[
    // Who runs it, and where it finds its files and other programs.
    "HOME LOGNAME PATH TMPDIR USER XDG_*",
    // Its own settings.
    "NIX_*",
    // In which language and coding it speaks.
    "LANG LANGUAGE LC_* LOCALE_ARCHIVE",
    // How it reaches the network, and the private inputs of a flake.
    "*_PROXY *_proxy CURL_CA_BUNDLE GIT_CONFIG_* GIT_SSH GIT_SSH_COMMAND GIT_SSL_CAINFO
     SSH_AUTH_SOCK SSL_CERT_DIR SSL_CERT_FILE",
]);

impl VarName {
    /// Tells whether nix gets this variable of the user.
    pub fn is_for_nix(&self) -> bool {
        FOR_NIX.have(self.as_str())
    }

    /// Tells whether a variable of a nix build, with this value, is about that build alone.
    pub fn is_of_nix_build(&self, value: &str) -> bool {
        let name = self.as_str();
        let is_certificate = matches!(name, "NIX_SSL_CERT_FILE" | "SSL_CERT_FILE");
        OF_THE_BUILD.have(name) || is_certificate && value == NO_CERTIFICATES
    }
}

#[cfg(test)]
mod tests {
    use super::super::assert_sorted;
    use super::*;

    fn left_out<'a>(names: &'a str, value: &str) -> Vec<&'a str> {
        let is_left_out = |name: &&str| VarName::parse(name).unwrap().is_of_nix_build(value);
        names.split_ascii_whitespace().filter(is_left_out).collect()
    }

    #[test]
    fn the_lists_are_sorted() {
        assert_sorted(&OF_THE_BUILD);
        assert_sorted(&FOR_NIX);
    }

    #[test]
    fn what_is_about_a_build_is_left_out_and_what_a_shell_is_for_is_not() {
        let build = "NIX_BUILD_TOP TMP TMPDIR TEMP TEMPDIR HOME SHELL SHLVL TERM TZ PS4 BASHOPTS out \
            outputs stdenv builder phases shellHook buildPhase preConfigurePhases nativeBuildInputs";
        assert_eq!(
            left_out(build, "x").join(" "),
            build.split_whitespace().collect::<Vec<_>>().join(" ")
        );
        let shell = "CC AR NIX_CFLAGS_COMPILE NIX_LDFLAGS IN_NIX_SHELL PKG_CONFIG_PATH PYTHONPATH GREETING \
            SOURCE_DATE_EPOCH HOST_PATH NIX_BUILD_CORES NIX_STORE PATH XDG_DATA_DIRS";
        assert_eq!(left_out(shell, "x"), Vec::<&str>::new());
    }

    #[test]
    fn nix_gets_what_it_needs_and_no_secret_that_is_in_the_shell() {
        for (name, gets) in [
            ("PATH", true),
            ("NIX_REMOTE", true),
            ("https_proxy", true),
            ("XDG_CACHE_HOME", true),
            ("GIT_DIR", false),
            ("STRIPE_KEY", false),
            ("MIMA_ASKPASS", false),
            ("LD_PRELOAD", false),
        ] {
            assert_eq!(VarName::parse(name).unwrap().is_for_nix(), gets, "{name}");
        }
    }

    #[test]
    fn certificates_are_left_out_where_there_are_none() {
        let names = "NIX_SSL_CERT_FILE SSL_CERT_FILE";
        assert_eq!(left_out(names, "/no-cert-file.crt").len(), 2);
        assert_eq!(left_out(names, "/etc/ssl/certs/ca-bundle.crt").len(), 0);
        assert_eq!(left_out("GREETING", "/no-cert-file.crt").len(), 0);
    }
}
