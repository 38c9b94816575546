//! What fits into an environment, said before the kernel says E2BIG. (threats: B9, B10)

use super::Environment;
use crate::error::{Failure, Result};
use crate::sys::process::ExecLimits;

/// Checks that the environment and arguments fit. `arguments` are the lengths of the path
/// of the program and of each argument.
pub fn check_size(
    environment: &Environment,
    arguments: &[usize],
    limits: ExecLimits,
) -> Result<()> {
    let entries = environment.entries();
    for entry in entries {
        if entry.len() > limits.string {
            let name = String::from_utf8_lossy(entry.name()).into_owned();
            return Err(Failure::failed(format!(
                "{name} is too large for an environment: `{name}=…` is {} bytes, the limit is {}",
                entry.len(),
                limits.string
            ))
            .hint("let the command read it itself: mima secret get NAME"));
        }
    }
    let strings = entries.iter().map(|entry| entry.len() + 1).sum::<usize>()
        + arguments.iter().map(|len| len + 1).sum::<usize>();
    let total = strings + size_of::<usize>() * (entries.len() + arguments.len());
    if total <= limits.total {
        return Ok(());
    }
    let largest = entries.iter().max_by_key(|entry| entry.len());
    let (name, size) = largest
        .map(|entry| (String::from_utf8_lossy(entry.name()).into_owned(), entry.len()))
        .unwrap_or_default();
    Err(Failure::failed(format!(
        "the environment and arguments are too large: {total} bytes, the limit is {}; the \
         largest variable is {name} with {size}",
        limits.total
    ))
    .hint("use fewer groups, or --scrub; the limit grows with `ulimit -s`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Inherit;
    use crate::names::VarName;
    use crate::secret::Secret;

    fn environment(sizes: &[usize]) -> Environment {
        let group = sizes.iter().enumerate().map(|(i, size)| {
            (VarName::parse(&format!("K{i}")).unwrap(), Secret::new(vec![b'a'; *size]))
        });
        Environment::merge([], &Inherit::All, group.collect())
    }

    #[test]
    fn t_b9_one_string_has_a_limit() {
        let limits = ExecLimits { string: 10, total: 1000 };
        assert!(check_size(&environment(&[7]), &[1], limits).is_ok());
        let failure = check_size(&environment(&[8]), &[1], limits).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "K0 is too large for an environment: `K0=…` is 11 bytes, the limit is 10"
        );
    }

    #[test]
    fn t_b10_all_strings_together_have_a_limit() {
        // 2 × (`K0=aa` and its NUL and a pointer), and one argument of one byte.
        let total = 2 * (6 + 8) + (2 + 8);
        let limits = ExecLimits { string: 100, total };
        assert!(check_size(&environment(&[2, 2]), &[1], limits).is_ok());
        let failure = check_size(&environment(&[2, 3]), &[1], limits).unwrap_err().to_string();
        assert!(failure.contains("39 bytes, the limit is 38; the largest variable is K1 with 6"));
    }
}
