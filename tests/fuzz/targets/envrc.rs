#![no_main]

#[path = "../checks.rs"]
#[allow(dead_code, reason = "the checks of the other targets")]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::envrc(data));
