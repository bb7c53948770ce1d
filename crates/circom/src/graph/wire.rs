//! Protocol buffers as the files of circom-witnesscalc have them: numbers, and runs of bytes, by the number of their field.

/// Bytes of a message that are still to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a>(&'a [u8]);

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(super) fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Bytes(_) => None,
        }
    }

    /// A number that counts or names something here.
    pub(super) fn index(self) -> Option<u32> {
        self.number().and_then(|number| number.try_into().ok())
    }

    pub(super) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Number(_) => None,
        }
    }

    pub(super) fn message(self) -> Option<Message<'a>> {
        self.bytes().map(Message)
    }
}

impl<'a> Message<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next number; nothing where none begins, or it has more than 64 bits.
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for place in 0..10 {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if place == 9 && bits > 1 {
                return None;
            }
            value |= bits << (7 * place);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// The next message with its length before it.
    pub(super) fn delimited(&mut self) -> Option<Message<'a>> {
        let length = usize::try_from(self.varint()?).ok()?;
        let (message, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Self(message))
    }

    /// The next field: its number and its value; nothing where it makes no sense. None of these files has fields of another kind.
    pub(super) fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            2 => Value::Bytes(self.delimited()?.0),
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_more_than_64_bits_and_lengths_beyond_the_end_are_refused() {
        assert_eq!(Message::new(&[0xac, 0x02]).varint(), Some(300));
        assert_eq!(
            Message::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).varint(),
            Some(u64::MAX)
        );
        assert_eq!(
            Message::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).varint(),
            None
        );
        assert_eq!(Message::new(&[0x80]).varint(), None);
        assert!(Message::new(&[5, 1, 2]).delimited().is_none());
        assert_eq!(Message::new(&[0x08, 7]).field(), Some((1, Value::Number(7))));
        assert_eq!(Message::new(&[0x12, 1, 9]).field(), Some((2, Value::Bytes(&[9]))));
        assert_eq!(Message::new(&[0x09, 7]).field(), None, "a fixed number");
    }
}
