//! Random numbers and values that come again.

/// A small generator with a fixed seed, so that a failure comes again.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        // splitmix64, by Sebastiano Vigna, in the public domain.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// A value full of what shells care about. Never a NUL.
    pub(crate) fn value(&mut self) -> Vec<u8> {
        const PIECES: &[&str] = &[
            "'",
            "\"",
            "`",
            "$(",
            ")",
            "\\",
            "\n",
            "\r",
            "!",
            "%",
            "=",
            "-",
            "~",
            "#",
            ";",
            "&",
            "|",
            "*",
            "?",
            "[",
            "{",
            "}",
            "$x",
            "${x}",
            " ",
            "\t",
            "é",
            "\u{fdd0}",
            "\u{fdef}",
            "\u{f600}",
            "\u{f6ff}",
            "\u{10ffff}",
            "\u{feff}",
            "\\'",
            "a",
            "Z",
            "9",
            "\u{1b}",
            "\x7f",
            "\u{202e}",
            "e\u{301}",
            "\\x41",
            "\\u0041",
            "!!",
            "<(",
            ">",
            "^",
        ];
        let mut value = Vec::new();
        for _ in 0..self.below(12) {
            match self.below(4) {
                0 => value.push(u8::try_from(1 + self.below(255)).unwrap()),
                _ => value.extend_from_slice(PIECES[self.below(PIECES.len())].as_bytes()),
            }
        }
        value
    }

    /// One of several.
    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
