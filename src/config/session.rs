//! The setting `session` of the user file: how long a shell that was asked once is not asked
//! again.

use std::time::Duration;

use super::parse::outline::Node;
use super::parse::{Fault, unknown_key};
use crate::error::Result;
use crate::names;

/// Nothing is kept longer than this, whatever a file says.
pub const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// Nothing can be meant by less than this but to keep nothing.
const SHORTEST: Duration = Duration::from_secs(1);
/// What the setting consists of.
pub(super) const KEYS: &[&str] = &["idle", "max", "scope"];
/// The scopes, as a file has them.
pub(super) const SCOPES: &[(&str, Scope)] =
    &[("shell", Scope::Shell), ("terminal", Scope::Terminal), ("off", Scope::Off)];

/// How long what was unlocked stays so, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long after it was used last.
    pub idle: Duration,
    /// How long after it was unlocked, however much it is used.
    pub max: Duration,
    /// For whom.
    pub scope: Scope,
}

/// Who is not asked again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// What is typed in the shell where it was unlocked.
    #[default]
    Shell,
    /// Everything in the terminal where it was unlocked.
    Terminal,
    /// Nobody: nothing is kept.
    Off,
}

impl Scope {
    /// What a user calls it.
    pub fn word(self) -> &'static str {
        SCOPES.iter().find(|(_, scope)| *scope == self).map_or("", |(word, _)| word)
    }

    fn read(value: &Node) -> Result<Self, Fault> {
        let word = value.scalar()?;
        if let Some((_, scope)) = SCOPES.iter().find(|(own, _)| *own == word) {
            return Ok(*scope);
        }
        let own = || SCOPES.iter().map(|(own, _)| *own);
        let hint = match names::nearest(word, own()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", own().collect::<Vec<_>>().join(", ")),
        };
        Err(value.fault("this is no scope of a session").hint(hint))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(600),
            max: Duration::from_secs(7200),
            scope: Scope::default(),
        }
    }
}

impl Settings {
    /// Reads what stands under the key `session`.
    pub(super) fn read(value: &Node) -> Result<Self, Fault> {
        let mut settings = Self::default();
        let mut idle = None;
        value.map(|key, value| {
            match key.text() {
                "idle" => idle = Some((duration(key, value)?, value.place)),
                "max" => settings.max = duration(key, value)?,
                "scope" => settings.scope = Scope::read(value)?,
                _ => return Err(unknown_key(key, KEYS)),
            }
            Ok(())
        })?;
        match idle {
            Some((idle, place)) if idle > settings.max => {
                return Err(Fault::new(place, "idle", "this is longer than `max`")
                    .hint("`max` is 2h if it is not there; 12h at most"));
            }
            Some((idle, _)) => settings.idle = idle,
            // Who wants less in all has not asked for a wait that is longer than that.
            None => settings.idle = settings.idle.min(settings.max),
        }
        Ok(settings)
    }
}

/// Reads `90s`, `10m` or `2h`.
fn duration(key: &Node, value: &Node) -> Result<Duration, Fault> {
    let seconds = seconds(value.scalar()?).ok_or_else(|| {
        value
            .fault("this is no length of time")
            .hint(format!("{}: 10m (a whole number, and s, m or h)", key.text()))
    })?;
    let duration = Duration::from_secs(seconds);
    if duration > LONGEST {
        return Err(value
            .fault("mima keeps nothing longer than 12h")
            .hint(format!("{}: 12h", key.text())));
    }
    if duration < SHORTEST {
        return Err(value.fault("this is less than 1s").hint("to keep nothing: scope: off"));
    }
    Ok(duration)
}

/// Returns how many seconds a text means; of a number beyond all bounds, the largest there is.
fn seconds(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    // `parse` takes a sign too.
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(number.parse().unwrap_or(u64::MAX).saturating_mul(factor))
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::super::parse::tests::message;
    use super::super::user::UserFile;
    use super::*;

    fn read(text: &str) -> Settings {
        parse::<UserFile>(text.as_bytes(), "f").unwrap().session
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        assert_eq!(Settings::default().idle, minutes(10));
        assert_eq!(Settings::default().max, minutes(120));
        assert_eq!(Settings::default().scope, Scope::Shell);
        for (text, idle, max, scope) in [
            ("", 600, 7200, Scope::Shell),
            ("session: {}", 600, 7200, Scope::Shell),
            ("session: { idle: 10m, max: 2h, scope: shell }", 600, 7200, Scope::Shell),
            ("session:\n  scope: off\n", 600, 7200, Scope::Off),
            ("session: {scope: 'terminal'}", 600, 7200, Scope::Terminal),
            ("session: {idle: 1s}", 1, 7200, Scope::Shell),
            ("session: {idle: 2h}", 7200, 7200, Scope::Shell),
            ("session: {idle: 090s, max: 90m}", 90, 5400, Scope::Shell),
            // The order of the two does not matter.
            ("session: {idle: 12h, max: 12h}", 43_200, 43_200, Scope::Shell),
            ("session: {max: 720m, idle: 43200s}", 43_200, 43_200, Scope::Shell),
            // Less in all than the default of `idle`.
            ("session: {max: 5m}", 300, 300, Scope::Shell),
        ] {
            let want =
                Settings { idle: Duration::from_secs(idle), max: Duration::from_secs(max), scope };
            assert_eq!(read(text), want, "{text}");
        }
    }

    #[test]
    fn a_scope_is_read_as_it_is_called() {
        for scope in [Scope::Shell, Scope::Terminal, Scope::Off] {
            assert_eq!(read(&format!("session: {{scope: {}}}", scope.word())).scope, scope);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_never_quoted() {
        const NO_TIME: &str = "this is no length of time";
        let no_time =
            |key: &str| format!("{NO_TIME}\nhint: {key}: 10m (a whole number, and s, m or h)");
        for text in [
            "10", "m", "''", "-1m", "+1m", "1.5h", "1_0m", "10 m", "10M", "1d", "1h30m", "m1",
            "1ſ", "٣m", "hunter2",
        ] {
            let text = format!("session: {{idle: {text}}}");
            let want = format!("f:1:17: session.idle: {}", no_time("idle"));
            assert_eq!(message::<UserFile>(text.as_bytes()), want, "{text}");
        }
        for (text, want) in [
            ("session:\n  idle: 1m\n  max: 2", &*format!("f:3:8: session.max: {}", no_time("max"))),
            (
                "session: {max: 13h}",
                "f:1:16: session.max: mima keeps nothing longer than 12h\nhint: max: 12h",
            ),
            (
                "session: {max: 99999999999999999999h}",
                "f:1:16: session.max: mima keeps nothing longer than 12h\nhint: max: 12h",
            ),
            (
                "session: {max: 43201s}",
                "f:1:16: session.max: mima keeps nothing longer than 12h\nhint: max: 12h",
            ),
            (
                "session: {idle: 721m}",
                "f:1:17: session.idle: mima keeps nothing longer than 12h\nhint: idle: 12h",
            ),
            (
                "session: {idle: 0s}",
                "f:1:17: session.idle: this is less than 1s\nhint: to keep nothing: scope: off",
            ),
            (
                "session: {max: 0h}",
                "f:1:16: session.max: this is less than 1s\nhint: to keep nothing: scope: off",
            ),
            (
                "session: {idle: 3h}",
                "f:1:17: session.idle: this is longer than `max`\n\
                 hint: `max` is 2h if it is not there; 12h at most",
            ),
            (
                "session: {max: 59s, idle: 1m}",
                "f:1:27: session.idle: this is longer than `max`\n\
                 hint: `max` is 2h if it is not there; 12h at most",
            ),
            (
                "session: {scope: shel}",
                "f:1:18: session.scope: this is no scope of a session\nhint: did you mean `shell`?",
            ),
            (
                "session: {scope: hunter2}",
                "f:1:18: session.scope: this is no scope of a session\n\
                 hint: there are shell, terminal, off",
            ),
            (
                "session: {scope: [off]}",
                "f:1:18: session.scope: a single value belongs here\n\
                 hint: put no list and no keys here",
            ),
            (
                "session: {idel: 1m}",
                "f:1:11: session.idel: an unknown key\nhint: did you mean `idle`?",
            ),
            (
                "session: {ttl: 99h}",
                "f:1:11: session.ttl: an unknown key\nhint: the keys are: idle, max, scope",
            ),
            (
                "session: {idle: 1m, idle: 1m}",
                "f:1:21: session.idle: this key is there twice\nhint: remove one of them",
            ),
            (
                "session: off",
                "f:1:10: session: keys with values belong here\nhint: write `KEY: value` lines",
            ),
        ] {
            assert_eq!(message::<UserFile>(text.as_bytes()), want, "{text}");
        }
    }
}
