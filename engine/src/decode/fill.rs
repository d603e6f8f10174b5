//! Runs a program over the slots of one row.
//!
//! Invariant: text is referred to, not copied, unless it changes; what changes goes to the arena, which
//! lives as long as the record.

use std::fmt::Write;

use super::capture::{Piece, Place, Slot, Tag};
use super::column::{Column, Home};
use super::convert::{self, Address, HashKey};
use super::country::country_code;
use super::language::AddressRule;
use super::program::{
    Action, Change, Constant, Fill, From, Program, Row, Source, Texts, Values, holds,
};
use super::time::{TimeError, parse_epoch, parse_time};
use super::{Reject, ToolLookup};

/// Longer names are no names; they are hashed, so that no one value can fill the state.
const NAME_BYTES_MAX: usize = 1024;

/// What a run needs besides the slots.
pub(crate) struct Filler<'a> {
    pub(crate) record: &'a str,
    pub(crate) constants: &'a str,
    pub(crate) arena: &'a mut String,
    pub(crate) slots: &'a [Slot],
    pub(crate) key: &'a HashKey,
    pub(crate) tools: &'a ToolLookup,
}

impl Filler<'_> {
    fn texts(&self) -> Texts<'_> {
        Texts {
            record: self.record,
            arena: self.arena,
            constants: self.constants,
        }
    }

    /// Fills a row; `false` where the record is no activity. `filled`: the program's columns, one bit
    /// each, for which the record may hold a value.
    pub(crate) fn run(
        &mut self,
        program: &Program,
        mut filled: u32,
        row: &mut Row,
    ) -> Result<bool, Reject> {
        for (when, action) in &program.rules {
            if holds(when, self.slots, self.texts()) && !self.act(program, action, row)? {
                return Ok(false);
            }
        }
        for switch in &program.switches {
            if let Some(action) = switch.action(self.slots, self.texts())
                && !self.act(program, action, row)?
            {
                return Ok(false);
            }
        }
        while filled != 0 {
            let fill = &program.columns[filled.trailing_zeros() as usize];
            filled &= filled - 1;
            // Most columns are one place as it stands.
            if let Some(slot) = fill.plain {
                let slot = self.slots[usize::from(slot)];
                if slot.tag != Tag::Absent && !row.has(fill.column) {
                    self.convert(program, fill.column, slot, None, row)?;
                }
            } else {
                self.column(program, fill, row)?;
            }
        }
        Ok(row.set & program.require == program.require)
    }

    fn act(&mut self, program: &Program, action: &Action, row: &mut Row) -> Result<bool, Reject> {
        for (column, constant) in &action.set {
            if !row.has(*column) {
                row.put(*column, *constant);
            }
        }
        for fill in &action.columns {
            self.column(program, fill, row)?;
        }
        Ok(!action.ignore)
    }

    fn column(&mut self, program: &Program, fill: &Fill, row: &mut Row) -> Result<(), Reject> {
        let column = fill.column;
        if row.has(column) {
            return Ok(());
        }
        for source in &fill.sources {
            if let From::Slot(slot) = source.from
                && self.slots[usize::from(slot)].tag == Tag::Absent
            {
                continue;
            }
            self.source(program, column, source, row)?;
            if row.has(column) {
                break;
            }
        }
        Ok(())
    }

    fn source(
        &mut self,
        program: &Program,
        column: Column,
        source: &Source,
        row: &mut Row,
    ) -> Result<(), Reject> {
        if !source.when.is_empty() && !holds(&source.when, self.slots, self.texts()) {
            return Ok(());
        }
        let slot = match &source.from {
            From::Slot(slot) => self.slots[usize::from(*slot)],
            From::Constant(constant) => {
                row.put(column, *constant);
                return Ok(());
            }
            From::Sum { plus, minus } => {
                if let Some(sum) = self.sum(column, plus, minus)? {
                    row.put(column, Constant::Number(sum));
                }
                return Ok(());
            }
        };
        match &source.change {
            None => self.convert(program, column, slot, None, row),
            Some(change) => self.changed(program, column, slot, change, row),
        }
    }

    /// Sum of the numbers that are there, less others; `None` if none of the first is there.
    fn sum(&self, column: Column, plus: &[u16], minus: &[u16]) -> Result<Option<u64>, Reject> {
        let mut total = None;
        for id in plus {
            if let Some(number) = self.volume(column, self.slots[usize::from(*id)])? {
                total = Some(total.unwrap_or(0u64).saturating_add(number));
            }
        }
        for id in minus {
            if let Some(number) = self.volume(column, self.slots[usize::from(*id)])? {
                total = total.map(|total| total.saturating_sub(number));
            }
        }
        Ok(total)
    }

    fn volume(&self, column: Column, slot: Slot) -> Result<Option<u64>, Reject> {
        match slot.tag {
            Tag::Absent => Ok(None),
            Tag::Number | Tag::Text => {
                convert::volume(self.texts().get(slot.piece)).ok_or(Reject::WrongType { column })
            }
            _ => Err(Reject::WrongType { column }),
        }
    }

    /// A value that is cut, translated or looked up on its way.
    fn changed(
        &mut self,
        program: &Program,
        column: Column,
        mut slot: Slot,
        change: &Change,
        row: &mut Row,
    ) -> Result<(), Reject> {
        if let Some(values) = &change.values {
            let constant = if change.tool {
                let text = self.texts().scalar(slot);
                values
                    .otherwise
                    .filter(|_| text.and_then(|text| self.tool(text)).is_some())
            } else {
                self.translate(slot, values)
            };
            if let Some(constant) = constant {
                row.put(column, constant);
            }
            return Ok(());
        }
        if let Tag::Text = slot.tag {
            let whole = self.texts().get(slot.piece);
            let mut part = whole;
            if let Some(mark) = &change.after {
                part = part
                    .rsplit_once(mark.as_str())
                    .map_or(part, |(_, after)| after);
            }
            if let Some(mark) = &change.before {
                part = part
                    .split_once(mark.as_str())
                    .map_or(part, |(before, _)| before);
            }
            slot.piece = within(slot.piece, whole, part);
        }
        if change.tool {
            let name = self.texts().scalar(slot).and_then(|text| self.tool(text));
            if let Some(name) = name {
                let piece = self.push(|arena| arena.push_str(&name));
                row.put_piece(column, piece);
            }
            return Ok(());
        }
        self.convert(program, column, slot, Some(change), row)
    }

    fn translate(&self, slot: Slot, values: &Values) -> Option<Constant> {
        let text = self.texts().scalar(slot)?;
        let known = values
            .words
            .get(text.as_bytes())
            .and_then(|at| values.constants.get(usize::from(at)));
        known.copied().or(values.otherwise)
    }

    fn tool(&self, text: &str) -> Option<std::sync::Arc<str>> {
        let host = convert::host_of(text.trim_ascii()).trim_end_matches('.');
        if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return (self.tools)(&host.to_ascii_lowercase());
        }
        (self.tools)(host)
    }

    fn push(&mut self, write: impl FnOnce(&mut String)) -> Piece {
        let start = self.arena.len() as u32;
        write(self.arena);
        Piece {
            place: Place::Arena,
            start,
            end: self.arena.len() as u32,
        }
    }

    #[inline]
    fn convert(
        &mut self,
        program: &Program,
        column: Column,
        slot: Slot,
        change: Option<&Change>,
        row: &mut Row,
    ) -> Result<(), Reject> {
        if let (Home::Text(at), Tag::Text | Tag::Number) = (column.home(), slot.tag) {
            self.text(column, at, slot.piece, change, row);
            return Ok(());
        }
        if slot.tag == Tag::Container {
            return if column.is_needed() {
                Err(Reject::WrongType { column })
            } else {
                Ok(())
            };
        }
        let text = self.texts().scalar(slot).unwrap_or_default();
        let value = match column.home() {
            Home::Time => return self.time(program, slot, row),
            Home::Text(_) => None,
            Home::Flag(_) => convert::flag(text.trim_ascii()).map(Constant::Flag),
            Home::Float(_) => convert::float(text).map(Constant::Float),
            Home::Number(_) => self.volume(column, slot)?.map(Constant::Number),
            Home::Word(_) => column.word(text).map(Constant::Word),
            Home::System => convert::system_number(text).map(Constant::System),
        };
        if let Some(value) = value {
            row.put(column, value);
        }
        Ok(())
    }

    fn time(&mut self, program: &Program, slot: Slot, row: &mut Row) -> Result<(), Reject> {
        let text = self.texts().get(slot.piece);
        let time = match slot.tag {
            Tag::Text if convert::says_nothing(text) => return Ok(()),
            Tag::Text => parse_time(text, program.zone_minutes),
            Tag::Number => parse_epoch(text),
            _ => {
                return Err(Reject::WrongType {
                    column: Column::Time,
                });
            }
        };
        row.time = time.map_err(|error| match error {
            TimeError::Unreadable => Reject::BadTime,
            TimeError::OutOfRange => Reject::TimeOutOfRange,
        })?;
        row.set |= Column::Time.bit();
        Ok(())
    }

    #[inline]
    fn text(
        &mut self,
        column: Column,
        at: usize,
        piece: Piece,
        change: Option<&Change>,
        row: &mut Row,
    ) {
        let whole = self.texts().get(piece);
        let text = convert::trimmed(whole);
        if convert::says_nothing(text) {
            return;
        }
        let piece = within(piece, whole, text);
        let filled = match column {
            Column::User | Column::TargetUser => self.user(piece, change),
            Column::Ip => self.address(piece),
            Column::Country => self.country(piece),
            Column::Object => {
                let known = change.is_some_and(|change| change.hashed);
                row.object_hashed = known && convert::is_hex(text);
                Some(piece)
            }
            _ if text.len() <= NAME_BYTES_MAX => Some(piece),
            _ => Some(self.hashed(piece)),
        };
        if let Some(piece) = filled {
            row.texts[at] = piece;
            row.set |= column.bit();
        }
    }

    /// The keyed hash of a name.
    pub(crate) fn hashed(&mut self, piece: Piece) -> Piece {
        let hash = self.key.hash(self.texts().get(piece));
        self.push(|arena| convert::push_hex(hash, arena))
    }

    fn user(&mut self, piece: Piece, change: Option<&Change>) -> Option<Piece> {
        let whole = self.texts().get(piece);
        let text = convert::unwrap_claim(whole).trim_ascii();
        if convert::says_nothing(text) {
            return None;
        }
        let piece = within(piece, whole, text);
        let rule = change.and_then(|change| change.address);
        if rule.is_some() && !convert::is_address(text) {
            return (rule == Some(AddressRule::OrHash)).then(|| self.hashed(piece));
        }
        if NAME_BYTES_MAX < text.len() {
            return Some(self.hashed(piece));
        }
        Some(self.lowered(piece))
    }

    fn lowered(&mut self, piece: Piece) -> Piece {
        let text = self.texts().get(piece);
        if convert::is_lower(text.as_bytes()) {
            return piece;
        }
        let lower = text.to_lowercase();
        self.push(|arena| arena.push_str(&lower))
    }

    fn address(&mut self, piece: Piece) -> Option<Piece> {
        let whole = self.texts().get(piece);
        match convert::address(whole)? {
            Address::Borrowed(part) => Some(within(piece, whole, part)),
            // Writing to a String cannot fail.
            Address::Parsed(parsed) => Some(self.push(|arena| _ = write!(arena, "{parsed}"))),
        }
    }

    fn country(&mut self, piece: Piece) -> Option<Piece> {
        let text = self.texts().get(piece);
        let code = country_code(text)?;
        if code == text {
            return Some(piece);
        }
        Some(self.push(|arena| arena.push_str(code)))
    }
}

/// The piece of a part of a piece's text.
#[inline]
fn within(piece: Piece, whole: &str, part: &str) -> Piece {
    let start = piece.start + (part.as_ptr() as usize - whole.as_ptr() as usize) as u32;
    Piece {
        place: piece.place,
        start,
        end: start + part.len() as u32,
    }
}
