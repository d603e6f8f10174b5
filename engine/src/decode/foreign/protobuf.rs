//! The fields of a protobuf message, one after the other.
//!
//! Invariant: nothing is copied, and a message that ends in the middle of a field is broken.

/// The bytes are no protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// The value of a field as it lies on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The bytes of a message, text or blob.
    pub(super) fn bytes(self) -> Result<&'a [u8], Broken> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Broken),
        }
    }

    pub(super) fn text(self) -> Result<&'a str, Broken> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Broken)
    }
}

/// Hands over every field with its number.
pub(super) fn fields<'a>(
    mut bytes: &'a [u8],
    mut each: impl FnMut(u64, Value<'a>) -> Result<(), Broken>,
) -> Result<(), Broken> {
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut bytes)?),
            1 => Value::Fixed64(u64::from_le_bytes(*take(&mut bytes)?)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).map_err(|_| Broken)?;
                let (inside, rest) = bytes.split_at_checked(length).ok_or(Broken)?;
                bytes = rest;
                Value::Bytes(inside)
            }
            5 => {
                take::<4>(&mut bytes)?;
                Value::Fixed32
            }
            _ => return Err(Broken),
        };
        if tag >> 3 == 0 {
            return Err(Broken);
        }
        each(tag >> 3, value)?;
    }
    Ok(())
}

fn take<'a, const SIZE: usize>(bytes: &mut &'a [u8]) -> Result<&'a [u8; SIZE], Broken> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(Broken)?;
    *bytes = rest;
    Ok(taken)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Broken> {
    let mut number = 0;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Broken)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Broken)
}
