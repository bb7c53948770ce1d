//! The container that .zkey, .r1cs and .wtns share: a magic word, a version, and sections of a number and a length. All
//! little-endian.

use std::{
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
};

use memmap2::Mmap;

use crate::error::FileError;

/// More sections than any of the formats has.
const MOST_SECTIONS: u32 = 64;
const HEADER_BYTES: usize = 12;

/// A mapped file whose sections lie inside of it.
#[derive(Debug)]
pub(crate) struct Container {
    path: PathBuf,
    map: Content,
    sections: Vec<(u32, Range<usize>)>,
}

/// Where the bytes are: in a file, or with whoever sent them.
#[derive(Debug)]
enum Content {
    Map(Mmap),
    Bytes(Vec<u8>),
}

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Map(map) => map,
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// Map a file for reading.
pub(crate) fn map(path: &Path) -> Result<Mmap, FileError> {
    let io = |source| FileError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    if !file.metadata().map_err(io)?.is_file() {
        return Err(io(std::io::Error::other("it is no regular file")));
    }
    // SAFETY: artifacts are treated as immutable: whoever writes one makes a new file and renames it. Every value is copied out
    // of the map before it is judged, so a change that breaks this rule spoils a proof and nothing else, except that a file
    // which is made shorter meanwhile ends the process, as with any mapped file.
    unsafe { Mmap::map(&file) }.map_err(io)
}

impl Container {
    /// Map `path` and find its sections.
    pub(crate) fn open(path: &Path, magic: &'static str, version: u32) -> Result<Self, FileError> {
        Self::of(path.to_owned(), Content::Map(map(path)?), magic, version)
    }

    /// The same of bytes in memory, which errors call `name`.
    pub(crate) fn from_bytes(
        name: &str,
        bytes: Vec<u8>,
        magic: &'static str,
        version: u32,
    ) -> Result<Self, FileError> {
        Self::of(PathBuf::from(name), Content::Bytes(bytes), magic, version)
    }

    fn of(path: PathBuf, map: Content, magic: &'static str, version: u32) -> Result<Self, FileError> {
        let bytes = map.as_ref();
        if !bytes.starts_with(magic.as_bytes()) {
            return Err(FileError::Kind { path, expected: magic });
        }
        let mut cursor = Cursor { path: &path, bytes, at: magic.len(), end: bytes.len() };
        let actual = cursor.u32("header")?;
        if actual != version {
            return Err(FileError::Version { path, expected: version, actual });
        }
        let count = cursor.u32("header")?;
        if count > MOST_SECTIONS {
            let reason = format!("it claims {count} sections");
            return Err(FileError::Malformed { path, reason });
        }
        let mut sections: Vec<(u32, Range<usize>)> = Vec::new();
        for index in 0..count {
            let what = || format!("header of section {} of {count}", index + 1);
            let number = cursor.u32_named(what)?;
            let length = cursor.u64_named(what)?;
            let start = cursor.at;
            cursor.skip(length, || format!("section {number}"))?;
            if sections.iter().any(|(other, _)| *other == number) {
                return Err(FileError::Malformed { path, reason: format!("section {number} occurs twice") });
            }
            sections.push((number, start..cursor.at));
        }
        debug_assert!(cursor.at >= HEADER_BYTES);
        let rest = bytes.len() - cursor.at;
        if rest != 0 {
            return Err(FileError::Malformed {
                path,
                reason: format!("{rest} bytes follow its last section"),
            });
        }
        Ok(Self { path, map, sections })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn length(&self) -> u64 {
        self.map.as_ref().len() as u64
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.map.as_ref()
    }

    pub(crate) fn malformed(&self, reason: impl Into<String>) -> FileError {
        FileError::Malformed { path: self.path.clone(), reason: reason.into() }
    }

    /// Where section `number` lies.
    pub(crate) fn range(&self, number: u32, what: &str) -> Result<Range<usize>, FileError> {
        let found = self.sections.iter().find(|(other, _)| *other == number);
        found
            .map(|(_, range)| range.clone())
            .ok_or_else(|| self.malformed(format!("it has no section {number}, its {what}")))
    }

    /// Section `number`, which must hold exactly `count` items of `size` bytes.
    pub(crate) fn array(
        &self,
        number: u32,
        what: &str,
        count: u64,
        size: u64,
    ) -> Result<Range<usize>, FileError> {
        let range = self.range(number, what)?;
        let expected = u128::from(count) * u128::from(size);
        if range.len() as u128 == expected {
            return Ok(range);
        }
        let actual = range.len();
        Err(self.malformed(format!(
            "section {number}, its {what}, has {actual} bytes where {count} of {size} bytes make {expected}"
        )))
    }

    /// Reads section `number` from its start.
    pub(crate) fn cursor(&self, number: u32, what: &str) -> Result<Cursor<'_>, FileError> {
        let range = self.range(number, what)?;
        Ok(Cursor { path: &self.path, bytes: self.map.as_ref(), at: range.start, end: range.end })
    }
}

/// Reads numbers one after another and never beyond `end`.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    fn skip(&mut self, length: u64, what: impl FnOnce() -> String) -> Result<&'a [u8], FileError> {
        let end = (self.at as u64).saturating_add(length);
        if end > self.end as u64 {
            return Err(FileError::Truncated {
                path: self.path.to_owned(),
                what: what(),
                end,
                length: self.end as u64,
            });
        }
        let taken = &self.bytes[self.at..end as usize];
        self.at = end as usize;
        Ok(taken)
    }

    fn array_named<const N: usize>(&mut self, what: impl FnOnce() -> String) -> Result<[u8; N], FileError> {
        let mut out = [0; N];
        out.copy_from_slice(self.skip(N as u64, what)?);
        Ok(out)
    }

    fn u32_named(&mut self, what: impl FnOnce() -> String) -> Result<u32, FileError> {
        self.array_named(what).map(u32::from_le_bytes)
    }

    fn u64_named(&mut self, what: impl FnOnce() -> String) -> Result<u64, FileError> {
        self.array_named(what).map(u64::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, what: &str) -> Result<u32, FileError> {
        self.u32_named(|| what.to_owned())
    }

    pub(crate) fn u64(&mut self, what: &str) -> Result<u64, FileError> {
        self.u64_named(|| what.to_owned())
    }

    pub(crate) fn take<const N: usize>(&mut self, what: &str) -> Result<[u8; N], FileError> {
        self.array_named(|| what.to_owned())
    }

    pub(crate) fn bytes(&mut self, length: u64, what: &str) -> Result<&'a [u8], FileError> {
        self.skip(length, || what.to_owned())
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.end
    }

    pub(crate) fn left(&self) -> usize {
        self.end - self.at
    }
}
