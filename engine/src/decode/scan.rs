//! A cursor over one JSON text: strings, numbers and containers are found or skipped, never copied.
//!
//! Invariant: nothing here recurses, so no nesting is too deep; the cursor only moves forward, so a
//! text is read once. Raw control characters in strings are let through: vendors write them.

use wide::u8x16;

/// The text is not JSON where the cursor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

/// What a scalar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Null,
    True,
    False,
    /// Its characters lie between the cursor's old and new place.
    Number,
}

/// A place in a JSON text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    pub(crate) at: usize,
}

/// A string's content without its quotes, and whether it holds escapes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) escaped: bool,
}

/// Bytes that a number consists of.
const NUMBER: [bool; 256] = {
    let mut bytes = [false; 256];
    let mut at = 0;
    while at < b"0123456789.eE+-".len() {
        bytes[b"0123456789.eE+-"[at] as usize] = true;
        at += 1;
    }
    bytes
};

/// One bit a byte: quotes and backslashes.
#[inline(always)]
fn quote_bits(chunk: u8x16) -> u32 {
    (chunk.simd_eq(u8x16::splat(b'"')) | chunk.simd_eq(u8x16::splat(b'\\'))).to_bitmask()
}

/// One bit a byte: quotes and brackets of both kinds.
#[inline(always)]
fn bracket_bits(chunk: u8x16) -> u32 {
    // `[` and `{` differ in this bit only, and so do `]` and `}`.
    let folded = chunk | u8x16::splat(0x20);
    let brackets = folded.simd_eq(u8x16::splat(b'{')) | folded.simd_eq(u8x16::splat(b'}'));
    (chunk.simd_eq(u8x16::splat(b'"')) | brackets).to_bitmask()
}

/// Where what matters to a container stands in 64 bytes, one bit a byte.
struct Marks {
    quotes: u64,
    escapes: u64,
    opens: u64,
    closes: u64,
}

impl Marks {
    #[inline(always)]
    fn of(block: &[u8; 64]) -> Marks {
        let mut marks = [0u64; 4];
        for (at, chunk) in block.as_chunks::<16>().0.iter().enumerate() {
            let chunk = u8x16::new(*chunk);
            let folded = chunk | u8x16::splat(0x20);
            let found = [
                chunk.simd_eq(u8x16::splat(b'"')),
                chunk.simd_eq(u8x16::splat(b'\\')),
                folded.simd_eq(u8x16::splat(b'{')),
                folded.simd_eq(u8x16::splat(b'}')),
            ];
            for (marks, found) in marks.iter_mut().zip(found) {
                *marks |= u64::from(found.to_bitmask()) << (at * 16);
            }
        }
        let [quotes, escapes, opens, closes] = marks;
        Marks {
            quotes,
            escapes,
            opens,
            closes,
        }
    }
}

/// A bit is set where the number of set bits up to it is odd: from each opening quote to before its end.
#[inline(always)]
fn odd_runs(mut bits: u64) -> u64 {
    for width in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << width;
    }
    bits
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Cursor { text, at: 0 }
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    #[inline(always)]
    pub(crate) fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    #[inline(always)]
    fn chunk(&self, at: usize) -> Option<[u8; 16]> {
        self.text.as_bytes().get(at..)?.first_chunk().copied()
    }

    /// The next byte that is not white space, not taken.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = self.byte(self.at)?;
            if b' ' < byte || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Takes the next byte that is not white space if it is this one.
    #[inline(always)]
    pub(crate) fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Takes a string; the cursor stands on its opening quote.
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Result<Span, Broken> {
        let start = self.at + 1;
        let (end, escaped) = self.string_end(start)?;
        self.at = end + 1;
        Ok(Span {
            start,
            end,
            escaped,
        })
    }

    /// The closing quote of a string whose content begins at `at`.
    #[inline(always)]
    fn string_end(&self, mut at: usize) -> Result<(usize, bool), Broken> {
        let mut escaped = false;
        loop {
            let found = match self.chunk(at) {
                Some(chunk) => {
                    let bits = quote_bits(u8x16::new(chunk));
                    if bits == 0 {
                        at += 16;
                        continue;
                    }
                    at + bits.trailing_zeros() as usize
                }
                None => self.next_slowly(at, |byte| matches!(byte, b'"' | b'\\'))?,
            };
            if self.byte(found) == Some(b'"') {
                return Ok((found, escaped));
            }
            escaped = true;
            at = found + 2;
        }
    }

    /// The same search for the last bytes of a text.
    fn next_slowly(&self, at: usize, wanted: impl Fn(u8) -> bool) -> Result<usize, Broken> {
        let rest = self.text.as_bytes().get(at..).ok_or(Broken)?;
        let found = rest.iter().position(|byte| wanted(*byte)).ok_or(Broken)?;
        Ok(at + found)
    }

    /// Takes a number or literal.
    #[inline(always)]
    pub(crate) fn scalar(&mut self) -> Result<Scalar, Broken> {
        let rest = &self.text.as_bytes()[self.at..];
        let (scalar, length) = match rest {
            [b'n', b'u', b'l', b'l', ..] => (Scalar::Null, 4),
            [b't', b'r', b'u', b'e', ..] => (Scalar::True, 4),
            [b'f', b'a', b'l', b's', b'e', ..] => (Scalar::False, 5),
            [b'-' | b'0'..=b'9', more @ ..] => {
                let fits = |byte: &&u8| NUMBER[usize::from(**byte)];
                (Scalar::Number, 1 + more.iter().take_while(fits).count())
            }
            _ => return Err(Broken),
        };
        self.at += length;
        // What follows must end the value; the end of the text is for the caller to judge.
        match rest.get(length) {
            Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t') | None => Ok(scalar),
            Some(_) => Err(Broken),
        }
    }

    /// Takes any value without looking into it.
    #[inline(always)]
    pub(crate) fn skip(&mut self) -> Result<(), Broken> {
        match self.peek().ok_or(Broken)? {
            b'"' => {
                self.at = self.string_end(self.at + 1)?.0 + 1;
                Ok(())
            }
            b'{' | b'[' => self.skip_container(),
            _ => self.scalar().map(|_| ()),
        }
    }

    /// Takes a container, counting brackets outside strings, 64 bytes at a time while there is no escape.
    fn skip_container(&mut self) -> Result<(), Broken> {
        let (mut at, mut depth) = (self.at, 0u32);
        // All ones within a string.
        let mut inside = 0u64;
        while let Some(block) = self.text.as_bytes().get(at..).and_then(<[u8]>::first_chunk) {
            let marks = Marks::of(block);
            if marks.escapes != 0 {
                break;
            }
            let strings = odd_runs(marks.quotes) ^ inside;
            let (opens, closes) = (marks.opens & !strings, marks.closes & !strings);
            if closes.count_ones() < depth {
                depth = depth + opens.count_ones() - closes.count_ones();
            } else {
                let mut bits = opens | closes;
                while bits != 0 {
                    let bit = bits & bits.wrapping_neg();
                    if opens & bit != 0 {
                        depth += 1;
                    } else {
                        depth -= 1;
                        if depth == 0 {
                            self.at = at + bit.trailing_zeros() as usize + 1;
                            return Ok(());
                        }
                    }
                    bits ^= bit;
                }
            }
            inside = (strings as i64 >> 63) as u64;
            at += 64;
        }
        if inside != 0 {
            at = self.string_end(at)?.0 + 1;
        }
        self.skip_strings(at, depth)
    }

    /// The same, string by string.
    fn skip_strings(&mut self, mut at: usize, mut depth: u32) -> Result<(), Broken> {
        'chunks: loop {
            let Some(chunk) = self.chunk(at) else {
                let found =
                    self.next_slowly(at, |b| b == b'"' || matches!(b | 0x20, b'{' | b'}'))?;
                match self.bracket(found, &mut depth)? {
                    Some(next) => at = next,
                    None => return Ok(()),
                }
                continue;
            };
            let mut bits = bracket_bits(u8x16::new(chunk));
            while bits != 0 {
                let offset = bits.trailing_zeros() as usize;
                let Some(next) = self.bracket(at + offset, &mut depth)? else {
                    return Ok(());
                };
                let taken = next - at;
                if 16 <= taken {
                    at = next;
                    continue 'chunks;
                }
                bits &= u32::MAX << taken;
            }
            at += 16;
        }
    }

    /// Deals with a quote or bracket; where to go on, or `None` at the end of the container.
    #[inline(always)]
    fn bracket(&mut self, at: usize, depth: &mut u32) -> Result<Option<usize>, Broken> {
        match self.byte(at) {
            Some(b'"') => return Ok(Some(self.string_end(at + 1)?.0 + 1)),
            Some(b'{' | b'[') => *depth += 1,
            _ => *depth -= 1,
        }
        if *depth == 0 {
            self.at = at + 1;
            return Ok(None);
        }
        Ok(Some(at + 1))
    }

    /// Whether only white space is left.
    pub(crate) fn finished(&mut self) -> bool {
        self.peek().is_none()
    }
}

/// Appends a string's content with its escapes resolved. A half of a surrogate pair becomes U+FFFD.
pub(crate) fn unescape(content: &str, out: &mut String) -> Result<(), Broken> {
    let mut rest = content;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let kind = *rest.as_bytes().get(at + 1).ok_or(Broken)?;
        let mut taken = 2;
        match kind {
            b'"' | b'\\' | b'/' => out.push(char::from(kind)),
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let (letter, length) = unicode(&rest[at..])?;
                out.push(letter);
                taken = length;
            }
            _ => return Err(Broken),
        }
        rest = &rest[at + taken..];
    }
    out.push_str(rest);
    Ok(())
}

/// A `\u` escape, or two that make one character, and its length.
fn unicode(text: &str) -> Result<(char, usize), Broken> {
    let first = hexadecimal(text, 2)?;
    if (0xd800..0xdc00).contains(&first)
        && text.get(6..8) == Some("\\u")
        && let Ok(second) = hexadecimal(text, 8)
        && (0xdc00..0xe000).contains(&second)
    {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return Ok((char::from_u32(code).unwrap_or('\u{fffd}'), 12));
    }
    Ok((char::from_u32(first).unwrap_or('\u{fffd}'), 6))
}

fn hexadecimal(text: &str, at: usize) -> Result<u32, Broken> {
    let digits = text.get(at..at + 4).ok_or(Broken)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Broken);
    }
    u32::from_str_radix(digits, 16).map_err(|_| Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(text: &str) -> Option<usize> {
        let mut cursor = Cursor::new(text);
        cursor.skip().ok().map(|()| cursor.at)
    }

    /// Whatever serde_json reads as one value is skipped as one, however long and wherever it is cut.
    #[test]
    fn values_are_skipped_whole() {
        let long = "x".repeat(40);
        let values = [
            r#"{"a":[1,2,{"b":"}]\\\"{"}],"c":null}"#.to_owned(),
            format!(r#"["{long}","\\{long}\"",[[]],{{}}]"#),
            format!(r#""{long}\"{long}""#),
            "-1.5e+3".into(),
            "true".into(),
            "[]".into(),
            "\"\"".into(),
        ];
        for value in values {
            serde_json::from_str::<serde_json::Value>(&value).expect("test data");
            assert_eq!(skipped(&value), Some(value.len()), "{value}");
            assert_eq!(skipped(&format!(" {value} , 1")), Some(value.len() + 1));
            for end in 1..value.len() {
                if value.is_char_boundary(end) && !value.starts_with(['-', 't']) {
                    assert_eq!(skipped(&value[..end]), None, "{}", &value[..end]);
                }
            }
        }
    }

    #[test]
    fn nesting_of_any_depth_is_skipped() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(skipped(&deep), Some(deep.len()));
    }

    #[test]
    fn escapes_are_resolved_as_serde_json_resolves_them() {
        for text in [
            r"a\n\t\\\/\u00e9\ud83d\ude00z",
            r"\b\f\r\u0000",
            "plain",
            "",
        ] {
            let mut out = String::new();
            unescape(text, &mut out).expect("valid");
            let expected: String = serde_json::from_str(&format!("\"{text}\"")).expect("valid");
            assert_eq!(out, expected);
        }
        let mut out = String::new();
        unescape(r"\ud800x\udc00", &mut out).expect("halves are replaced");
        assert_eq!(out, "\u{fffd}x\u{fffd}");
        for broken in [r"\", r"\x", r"\u12", r"\u12g4", r"\u+123"] {
            assert_eq!(
                unescape(broken, &mut String::new()),
                Err(Broken),
                "{broken}"
            );
        }
    }
}
