//! Runs a program over the slots of one row.
//!
//! Invariant: text is referred to, not copied, unless it changes; what changes goes to the arena, which
//! lives as long as the record.

use std::fmt::Write;

use super::capture::{Slot, Tag};
use super::column::{Column, Type};
use super::convert::{self, Address, HashKey};
use super::country::country_code;
use super::cut::Cut;
use super::language::AddressRule;
use super::program::{Action, Change, Fill, From, Program, Source, Texts, Values, holds};
use super::row::{Constant, Row, Written};
use super::time::{TimeError, parse_epoch, parse_time};
use super::{Reject, ToolLookup};

/// Longer names are no names; they are hashed, so that no one value can fill the state.
const NAME_BYTES_MAX: usize = 1024;

/// A run of a program over the slots of one row.
pub(crate) struct Filler<'a, 'w> {
    pub(crate) program: &'a Program,
    pub(crate) texts: Texts<'a>,
    pub(crate) slots: &'a [Slot],
    pub(crate) key: &'a HashKey,
    pub(crate) tools: &'a ToolLookup,
    pub(crate) written: &'w mut Written,
    pub(crate) row: Row<'a>,
}

impl<'a> Filler<'a, '_> {
    /// Fills the row; `false` where the record is no activity. `filled`: the program's columns, one bit
    /// each, for which the record may hold a value.
    pub(crate) fn run(&mut self, mut filled: u32) -> Result<bool, Reject> {
        let program = self.program;
        for (when, action) in &program.rules {
            if holds(when, self.slots, self.texts) && !self.act(action)? {
                return Ok(false);
            }
        }
        for switch in &program.switches {
            if let Some(action) = switch.action(self.slots, self.texts)
                && !self.act(action)?
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
                if slot.tag != Tag::Absent && !self.row.has(fill.column) {
                    self.convert(fill.column, slot, None)?;
                }
            } else {
                self.column(fill)?;
            }
        }
        Ok(self.row.set & program.require == program.require)
    }

    /// The lateness class of the row.
    pub(crate) fn class(&self) -> u8 {
        let mut others = self.program.classes.iter();
        let other = others.find(|(_, when)| holds(when, self.slots, self.texts));
        other.map_or(self.program.class, |(class, _)| *class)
    }

    fn act(&mut self, action: &'a Action) -> Result<bool, Reject> {
        for (column, constant) in &action.set {
            if !self.row.has(*column) {
                self.put(*column, *constant);
            }
        }
        for fill in &action.columns {
            self.column(fill)?;
        }
        Ok(!action.ignore)
    }

    fn put(&mut self, column: Column, value: Constant) {
        match value {
            Constant::Text(piece) => self.row.put_text(column, self.texts.get(piece)),
            value => self.row.put(column, value),
        }
    }

    fn column(&mut self, fill: &'a Fill) -> Result<(), Reject> {
        let column = fill.column;
        if self.row.has(column) {
            return Ok(());
        }
        for source in &fill.sources {
            if let From::Slot(slot) = source.from
                && self.slots[usize::from(slot)].tag == Tag::Absent
            {
                continue;
            }
            self.source(column, source)?;
            if self.row.has(column) {
                break;
            }
        }
        Ok(())
    }

    fn source(&mut self, column: Column, source: &'a Source) -> Result<(), Reject> {
        if !source.when.is_empty() && !holds(&source.when, self.slots, self.texts) {
            return Ok(());
        }
        let slot = match &source.from {
            From::Slot(slot) => self.slots[usize::from(*slot)],
            From::Constant(constant) => {
                self.put(column, *constant);
                return Ok(());
            }
            From::Sum { plus, minus } => {
                if let Some(sum) = self.sum(column, plus, minus)? {
                    self.row.put(column, Constant::Number(sum));
                }
                return Ok(());
            }
        };
        match &source.change {
            None => self.convert(column, slot, None),
            Some(change) => self.changed(column, slot, change),
        }
    }

    /// Sum of the numbers that are there, less others; `None` if none of the first is there.
    fn sum(&self, column: Column, plus: &[u16], minus: &[u16]) -> Result<Option<u64>, Reject> {
        let mut total = None;
        for id in plus {
            let slot = self.slots[usize::from(*id)];
            if let Some(number) = self.volume_of(column, slot)? {
                total = Some(total.unwrap_or(0u64).saturating_add(number));
            }
            for text in self.texts.all(slot) {
                let number = volume(column, text)?.unwrap_or(0);
                total = Some(total.unwrap_or(0).saturating_add(number));
            }
        }
        for id in minus {
            if let Some(number) = self.volume_of(column, self.slots[usize::from(*id)])? {
                total = total.map(|total| total.saturating_sub(number));
            }
        }
        Ok(total)
    }

    fn volume_of(&self, column: Column, slot: Slot) -> Result<Option<u64>, Reject> {
        match slot.tag {
            Tag::Absent | Tag::List | Tag::All => Ok(None),
            Tag::Number | Tag::Text => volume(column, self.texts.get(slot.piece)),
            _ => Err(Reject::WrongType { column }),
        }
    }

    /// A value that is cut, translated or looked up on its way.
    fn changed(&mut self, column: Column, slot: Slot, change: &'a Change) -> Result<(), Reject> {
        if let Some(values) = &change.values {
            let constant = if change.tool {
                let text = self.texts.scalar(slot);
                values
                    .otherwise
                    .filter(|_| text.and_then(|text| self.tool(text)).is_some())
            } else {
                self.translate(slot, &change.cut, values)
            };
            if let Some(constant) = constant {
                self.put(column, constant);
            }
            return Ok(());
        }
        let Some(mut text) = self.texts.scalar(slot) else {
            return if change.tool {
                Ok(())
            } else {
                self.convert(column, slot, None)
            };
        };
        if slot.tag == Tag::Text {
            text = change.cut.of(text);
        }
        if change.tool {
            if let Some(name) = self.tool(text) {
                self.write(column, |written| written.push_str(&name));
            }
            return Ok(());
        }
        self.typed(column, slot.tag, text, Some(change))
    }

    fn translate(&self, slot: Slot, cut: &Cut, values: &Values) -> Option<Constant> {
        let known = |text: &str| {
            let at = values.words.get(cut.of(text).as_bytes())?;
            values.constants.get(usize::from(at)).copied()
        };
        if slot.tag == Tag::All {
            // The first that means something.
            return self.texts.all(slot).find_map(known).or(values.otherwise);
        }
        known(self.texts.scalar(slot)?).or(values.otherwise)
    }

    fn tool(&self, text: &str) -> Option<std::sync::Arc<str>> {
        let host = convert::host_of(text.trim_ascii()).trim_end_matches('.');
        if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return (self.tools)(&host.to_ascii_lowercase());
        }
        (self.tools)(host)
    }

    #[inline]
    fn convert(
        &mut self,
        column: Column,
        slot: Slot,
        change: Option<&'a Change>,
    ) -> Result<(), Reject> {
        match self.texts.scalar(slot) {
            Some(text) => self.typed(column, slot.tag, text, change),
            None if slot.tag == Tag::All => {
                self.joined(column, slot);
                Ok(())
            }
            // A list whose elements are read says nothing by itself.
            None if column.is_needed() && slot.tag == Tag::Object => {
                Err(Reject::WrongType { column })
            }
            None => Ok(()),
        }
    }

    /// The scalars of a list in one text, with spaces between them; columns of other types take none.
    fn joined(&mut self, column: Column, slot: Slot) {
        let mut joined = String::new();
        for text in self
            .texts
            .all(slot)
            .filter(|text| !convert::says_nothing(text))
        {
            if !joined.is_empty() {
                joined.push(' ');
            }
            joined.push_str(text);
        }
        let is_name = matches!(
            column,
            Column::Object | Column::App | Column::Device | Column::Model | Column::Sensitivity
        );
        if joined.is_empty() || !is_name {
            return;
        }
        if NAME_BYTES_MAX < joined.len() {
            self.hash(column, &joined);
        } else {
            self.write(column, |written| written.push_str(&joined));
        }
    }

    /// A scalar into a value of its column's type.
    #[inline(always)]
    fn typed(
        &mut self,
        column: Column,
        tag: Tag,
        text: &'a str,
        change: Option<&'a Change>,
    ) -> Result<(), Reject> {
        let is_text = matches!(tag, Tag::Text | Tag::Number);
        let value = match column.kind() {
            Type::Text if is_text => {
                self.text(column, text, change);
                return Ok(());
            }
            Type::Text => None,
            Type::Time => return self.time(tag, text),
            Type::Flag => convert::flag(text.trim_ascii()).map(Constant::Flag),
            Type::Float => convert::float(text).map(Constant::Float),
            Type::Number if is_text => volume(column, text)?.map(Constant::Number),
            Type::Number => return Err(Reject::WrongType { column }),
            Type::Word => Constant::word(column, text),
            Type::System => convert::system_number(text).map(Constant::System),
        };
        if let Some(value) = value {
            self.row.put(column, value);
        }
        Ok(())
    }

    fn time(&mut self, tag: Tag, text: &str) -> Result<(), Reject> {
        let time = match tag {
            Tag::Text if convert::says_nothing(text) => return Ok(()),
            Tag::Text => parse_time(text, self.program.zone_minutes),
            Tag::Number => parse_epoch(text),
            _ => {
                return Err(Reject::WrongType {
                    column: Column::Time,
                });
            }
        };
        self.row.put_time(time.map_err(|error| match error {
            TimeError::Unreadable => Reject::BadTime,
            TimeError::OutOfRange => Reject::TimeOutOfRange,
        })?);
        Ok(())
    }

    #[inline(always)]
    fn text(&mut self, column: Column, text: &'a str, change: Option<&'a Change>) {
        let text = convert::trimmed(text);
        if convert::says_nothing(text) {
            return;
        }
        match column {
            Column::User | Column::TargetUser => self.user(column, text, change),
            Column::Ip => self.address(text),
            Column::Country => {
                if let Some(code) = country_code(text) {
                    self.row.put_text(column, code);
                }
            }
            Column::Object => {
                let known = change.is_some_and(|change| change.hashed);
                self.row.object_hashed = known && convert::is_hex(text);
                self.row.put_text(column, text);
            }
            _ if text.len() <= NAME_BYTES_MAX => self.row.put_text(column, text),
            _ => self.hash(column, text),
        }
    }

    fn write(&mut self, column: Column, write: impl FnOnce(&mut String)) {
        self.written.push(column, write);
        self.row.set |= column.bit();
    }

    /// Puts the keyed hash of a name.
    fn hash(&mut self, column: Column, name: &str) {
        let hash = self.key.hash(name);
        self.write(column, |written| convert::push_hex(hash, written));
    }

    /// Replaces the name of the object by its keyed hash.
    pub(crate) fn hash_object(&mut self) {
        let name = self.written.get(Column::Object).or(self.row.draft.object);
        if let Some(hash) = name.map(|name| self.key.hash(name)) {
            self.write(Column::Object, |written| convert::push_hex(hash, written));
        }
    }

    /// Calls an AI tool by its one name.
    pub(crate) fn name_tool(&mut self, names: &ToolLookup) {
        let Some(app) = self.written.get(Column::App).or(self.row.draft.app) else {
            return;
        };
        let name = if convert::is_lower(app.as_bytes()) {
            names(app)
        } else {
            names(&app.to_ascii_lowercase())
        };
        if let Some(name) = name.filter(|name| **name != *app) {
            self.write(Column::App, |written| written.push_str(&name));
        }
    }

    fn user(&mut self, column: Column, whole: &'a str, change: Option<&'a Change>) {
        let text = convert::trimmed(convert::unwrap_claim(whole));
        if text.len() != whole.len() && convert::says_nothing(text) {
            return;
        }
        let rule = change.and_then(|change| change.address);
        if rule.is_some() && !convert::is_address(text) {
            if rule == Some(AddressRule::OrHash) {
                self.hash(column, text);
            }
        } else if NAME_BYTES_MAX < text.len() {
            self.hash(column, text);
        } else if convert::is_lower(text.as_bytes()) {
            self.row.put_text(column, text);
        } else {
            let lower = text.to_lowercase();
            self.write(column, |written| written.push_str(&lower));
        }
    }

    fn address(&mut self, text: &'a str) {
        match convert::address(text) {
            Some(Address::Borrowed(part)) => self.row.put_text(Column::Ip, part),
            // Writing to a String cannot fail.
            Some(Address::Parsed(address)) => {
                self.write(Column::Ip, |written| _ = write!(written, "{address}"));
            }
            None => {}
        }
    }
}

/// A volume; `None` if the text says nothing.
fn volume(column: Column, text: &str) -> Result<Option<u64>, Reject> {
    convert::volume(text).ok_or(Reject::WrongType { column })
}
