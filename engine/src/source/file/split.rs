//! How the records of a text lie: a line each, or as JSON values that may span lines. The latter are
//! turned into the former: a line feed inside a JSON value can only be white space.

/// How the records lie.
#[derive(Debug)]
pub(super) enum Layout {
    /// A record a line.
    Lines,
    /// An array, or values one after the other, over any number of lines.
    Values(Values),
}

/// Tells by the beginning of a file.
pub(super) fn layout_of(start: &[u8]) -> Layout {
    let start = start.trim_ascii_start();
    match start.first() {
        Some(b'[') => Layout::Values(Values::default()),
        Some(b'{') if spans_lines(start) => Layout::Values(Values::default()),
        _ => Layout::Lines,
    }
}

/// Whether the first value goes on in the second line. A first line that is only cut off is followed
/// by a line that begins with a value of its own.
fn spans_lines(start: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b'\n', start) else {
        return false;
    };
    let mut first = Values::default();
    first.push(&start[..end]);
    if first.depth == 0 {
        return false;
    }
    let rest = start[end..].trim_ascii_start();
    rest.first().is_some_and(|byte| *byte != b'{')
}

/// A text as a record a line, however its records lie.
pub(crate) fn as_lines(bytes: Vec<u8>) -> Vec<u8> {
    match layout_of(&bytes) {
        Layout::Lines => bytes,
        Layout::Values(_) => into_lines(&bytes),
    }
}

/// JSON values, one after the other or in an array, as a line each.
pub(crate) fn into_lines(bytes: &[u8]) -> Vec<u8> {
    let mut values = Values::default();
    values.push(bytes);
    values.end();
    values.take()
}

/// Cuts a stream of JSON values into lines.
#[derive(Debug, Default)]
pub(super) struct Values {
    lines: Vec<u8>,
    /// Where the value that is not complete begins in `lines`.
    open: Option<usize>,
    depth: usize,
    in_array: bool,
    in_string: bool,
    escaped: bool,
    waiting: u64,
}

impl Values {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.open.is_none() {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' | b',' => continue,
                    b'[' if !self.in_array => {
                        self.in_array = true;
                        continue;
                    }
                    b']' if self.in_array => {
                        self.in_array = false;
                        continue;
                    }
                    _ => self.open = Some(self.lines.len()),
                }
            }
            self.inside(byte);
        }
    }

    fn inside(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            self.lines.push(if byte == b'\n' { b' ' } else { byte });
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' if 0 < self.depth => {
                self.depth -= 1;
                self.lines.push(byte);
                if self.depth == 0 {
                    self.end();
                }
                return;
            }
            // A bare number or word ends where the next value may begin.
            b',' | b']' | b'}' if self.depth == 0 => {
                self.end();
                self.in_array &= byte != b']';
                return;
            }
            b'\n' | b'\r' => return self.lines.push(b' '),
            _ => {}
        }
        self.lines.push(byte);
    }

    /// The open value ends here, complete or not.
    pub(super) fn end(&mut self) {
        if self.open.take().is_some() {
            self.lines.push(b'\n');
            self.waiting += 1;
        }
        self.depth = 0;
        self.in_string = false;
        self.escaped = false;
    }

    /// Bytes of the value that is not complete.
    pub(super) fn open_bytes(&self) -> usize {
        self.open.map_or(0, |open| self.lines.len() - open)
    }

    /// Complete values not taken yet.
    pub(super) fn lines_waiting(&self) -> u64 {
        self.waiting
    }

    /// Gives up the value that is not complete; the rest of the file is read as if a new one began.
    pub(super) fn drop_open(&mut self) -> usize {
        let bytes = self.open_bytes();
        self.lines
            .truncate(self.open.take().unwrap_or(self.lines.len()));
        self.end();
        bytes
    }

    /// Takes the complete values, a line each.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let complete = self.open.unwrap_or(self.lines.len());
        let rest = self.lines.split_off(complete);
        self.waiting = 0;
        self.open = self.open.map(|_| 0);
        std::mem::replace(&mut self.lines, rest)
    }
}
