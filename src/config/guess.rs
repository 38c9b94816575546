//! Which variables of a file are probably secrets, and why. A person has the last word.

/// What is thought of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// Whether it is taken for a secret.
    pub is_secret: bool,
    /// Why, without any of the value.
    pub why: &'static str,
}

/// How the keys of well-known services start.
const PREFIXES: &[&str] = &[
    "-----BEGIN",
    "AGE-SECRET-KEY-",
    "AIza",
    "AKIA",
    "ASIA",
    "EAAC",
    "SG.",
    "dop_v1_",
    "eyJ",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "hf_",
    "hvs.",
    "npm_",
    "pypi-",
    "rk_live_",
    "rk_test_",
    "shpat_",
    "sk-",
    "sk_live_",
    "sk_test_",
    "whsec_",
    "xapp-",
    "xoxa-",
    "xoxb-",
    "xoxp-",
    "xoxs-",
    "ya29.",
];
/// Words in a name that say so.
const WORDS: &[&str] = &[
    "AUTH",
    "AUTHORIZATION",
    "BEARER",
    "COOKIE",
    "CREDENTIAL",
    "CREDENTIALS",
    "CREDS",
    "DSN",
    "JWT",
    "KEY",
    "KEYS",
    "OTP",
    "PASS",
    "PASSCODE",
    "PASSPHRASE",
    "PIN",
    "PRIVATE",
    "PWD",
    "SALT",
    "SIGNATURE",
    "TOKEN",
    "TOKENS",
];
/// Parts of a name that say so wherever they stand.
const PARTS: &[&str] = &["ACCESSKEY", "APIKEY", "CREDENTIAL", "PASSWD", "PASSWORD", "SECRET"];
/// Words in a name by which the value is public, or where the secret is and not the secret.
const PUBLIC: &[&str] =
    &["DIR", "FILE", "ID", "LENGTH", "NAME", "PATH", "PUBLIC", "PUBLISHABLE", "TTL", "URL"];
/// What stands before a secret within a value, in lower case.
const BEFORE: &[&str] = &[
    "accesskey=",
    "accountkey=",
    "api_key=",
    "apikey=",
    "bearer ",
    "hooks.",
    "password=",
    "pwd=",
    "secret=",
    "sig=",
    "token=",
];
/// Words at the end of a name by which the shortest number is a secret, too.
const SHORT: &[&str] = &["PASS", "PASSCODE", "PASSWD", "PASSWORD", "PIN", "PWD"];
/// From how many characters on a value may be a key by its looks.
const LONG: usize = 20;

/// Guesses by the name and the value.
pub fn guess(name: &str, value: &str) -> Guess {
    let secret = |why| Guess { is_secret: true, why };
    let public = |why| Guess { is_secret: false, why };
    let name = name.to_ascii_uppercase();
    let words: Vec<_> = name.split('_').collect();
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    if value.is_empty() {
        return public("it is empty");
    }
    if value.starts_with("op://") {
        return secret("1Password has it");
    }
    if PREFIXES.iter().any(|prefix| value.starts_with(prefix)) {
        return secret("it starts like the keys of a known service");
    }
    match userinfo(value) {
        Some(user) if user.contains(':') => return secret("a URL with a password"),
        Some(_) if has(&["DSN"]) || name.contains("DATABASE") => {
            return secret("a URL with a user");
        }
        _ => {}
    }
    let lower = value.to_ascii_lowercase();
    if BEFORE.iter().any(|word| lower.contains(word)) {
        return secret("there is a secret in it");
    }
    let is_switch = ["true", "false", "yes", "no", "on", "off"].contains(&value);
    let is_short = words.last().is_some_and(|last| SHORT.contains(last));
    let is_small = !is_short && value.len() < 6 && value.bytes().all(|byte| byte.is_ascii_digit());
    let is_named = has(WORDS) && !has(&["DSN"]) || PARTS.iter().any(|part| name.contains(part));
    if is_named && !has(PUBLIC) && !is_switch && !is_small {
        return secret("its name says so");
    }
    if looks_random(value) {
        return secret("it looks random");
    }
    public("nothing speaks for a secret")
}

/// Returns what stands before the `@` of a URL's host.
fn userinfo(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    // A password may hold a slash that should have been encoded.
    let end = host.rfind('@').or_else(|| rest.rfind('@'))?;
    rest.get(..end).filter(|user| !user.is_empty())
}

/// Tells whether a value has the looks of a key: long, of letters and digits, and mixed.
fn looks_random(value: &str) -> bool {
    let is_key = |c: char| c.is_ascii_alphanumeric() || "+/=_-".contains(c);
    let is_path = value.starts_with(['/', '.', '~']) || value.matches(['/', '-', '_']).count() > 4;
    if value.len() < LONG || is_path || !value.chars().all(is_key) {
        return false;
    }
    let has = |is: fn(&char) -> bool| value.chars().any(|c| is(&c));
    let has_letters = has(char::is_ascii_lowercase) || has(char::is_ascii_uppercase);
    has_letters && has(char::is_ascii_digit) && bits_per_character(value) > 3.2
}

/// The entropy of the characters, in bits.
fn bits_per_character(value: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let all: f64 = counts.iter().map(|count| f64::from(*count)).sum();
    let bits = |count: &u32| {
        let share = f64::from(*count) / all;
        -share * share.log2()
    };
    counts.iter().filter(|count| **count > 0).map(bits).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_for_a_secret() {
        for (name, value) in [
            ("STRIPE_KEY", "abc"),
            ("API_TOKEN", "x"),
            ("DB_PASSWORD", "hunter2"),
            ("DBPASSWORD", "hunter2"),
            ("MY_SECRET", "x"),
            ("SESSIONSECRET", "x"),
            ("AWS_CREDENTIALS", "x"),
            ("PRIVATE_STUFF", "x"),
            ("DATABASE_URL", "postgres://u:p@h/d"),
            ("DATABASE_URL", "postgres://u@h/d"),
            ("SENTRY_DSN", "https://abc@o1.example/2"),
            ("ANY", "redis://:p@h"),
            ("ANY", "https://u:a/b@h/x"),
            ("ANY", "sk_live_x"),
            ("ANY", "ghp_x"),
            ("ANY", "AKIAX"),
            ("ANY", "eyJhbGciOi"),
            ("ANY", "-----BEGIN PRIVATE KEY-----\nx"),
            ("ANY", "op://vault/item/field"),
            ("ANY", "9f86d081884c7d659a2feaa0c55ad015"),
            ("ANY", "Zm9vYmFyMTIzNDU2Nzg5MGFiY2Q="),
            ("MYSQL_PWD", "x"),
            ("PIN", "1234"),
            ("DB_PASSWORD", "12345"),
            ("SESSION_COOKIE", "x"),
            ("HEADER", "Authorization: Bearer x"),
            ("SLACK_WEBHOOK_URL", "https://hooks.slack.example/services/T/B/x"),
            ("ANY", "Endpoint=https://h;AccountKey=x"),
            ("JDBC_URL", "jdbc:mysql://h/db?user=a&Password=x"),
        ] {
            assert!(guess(name, value).is_secret, "{name}={value}");
        }
    }

    #[test]
    fn what_is_taken_for_public() {
        for (name, value) in [
            ("PORT", "8080"),
            ("RUST_LOG", "debug,hyper=info"),
            ("NODE_ENV", "development"),
            ("STRIPE_KEY", ""),
            ("USE_TOKEN", "true"),
            ("TOKEN_TTL", "3600"),
            ("SSH_KEY_PATH", "/home/me/key"),
            ("STRIPE_PUBLISHABLE_KEY", "pk_live_x"),
            ("DATABASE_URL", "postgres://localhost/d"),
            ("API_URL", "https://api.example.com/v1"),
            ("KEYBOARD", "us"),
            ("MONKEY", "x"),
            ("IMAGE", "registry.example.com/team/image:1.2.3"),
            ("NAMES", "a-long-list-of-plain-words-2"),
            ("DATA", "/var/lib/service1/data2/abcdefgh"),
        ] {
            assert!(!guess(name, value).is_secret, "{name}={value}");
        }
    }
}
