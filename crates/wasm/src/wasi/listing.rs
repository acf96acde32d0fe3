//! What is in a directory.
//!
//! A listing is made when a directory is read from its start, and serves the reads that go on from
//! there: entries that come or go meanwhile move no others. Names that are not UTF-8, which no
//! program could use, are left out.

use super::descriptors::OpenDirectory;
use super::errno::Errno;
use super::fd::kind;
use super::guest::{Buffer, Guest, GuestMemory};
use cap_std::fs::MetadataExt;
use rustix::fs::FileType;

/// The most entries of a directory that can be listed.
const MAX_ENTRIES: usize = 1 << 20;

/// Bytes of an entry, before its name.
const ENTRY_BYTES: usize = 24;

/// An entry of a directory.
#[derive(Debug)]
pub(super) struct Listed {
    name: Box<str>,
    /// Zero where it is not known.
    inode: u64,
    kind: u8,
}

const fn kind_of(ty: FileType) -> u8 {
    match ty {
        FileType::RegularFile => kind::REGULAR,
        FileType::Directory => kind::DIRECTORY,
        FileType::Symlink => kind::SYMBOLIC_LINK,
        FileType::CharacterDevice => kind::CHARACTER_DEVICE,
        FileType::BlockDevice => kind::BLOCK_DEVICE,
        FileType::Socket => kind::SOCKET,
        FileType::Fifo | FileType::Unknown => kind::UNKNOWN,
    }
}

/// Lists a directory, itself and its parent first.
///
/// # Errors
/// [`Errno::Nomem`] if there are too many entries.
fn list(opened: &OpenDirectory) -> Result<Vec<Listed>, Errno> {
    let directory = |name: &str, inode| Listed {
        name: name.into(),
        inode,
        kind: kind::DIRECTORY,
    };
    // Which directory the parent is, a program may have no business to know.
    let mut listing = vec![
        directory(".", opened.dir.dir_metadata()?.ino()),
        directory("..", 0),
    ];
    for entry in rustix::fs::Dir::new(opened.reading()?)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        if matches!(name, "." | "..") {
            continue;
        }
        if listing.len() == MAX_ENTRIES {
            return Err(Errno::Nomem);
        }
        listing.push(Listed {
            name: name.into(),
            inode: entry.ino(),
            kind: kind_of(entry.file_type()),
        });
    }
    Ok(listing)
}

/// Writes entries, cut off where the room ends. How many bytes.
fn write(
    memory: &mut GuestMemory<'_>,
    room: Buffer,
    entries: &[Listed],
    first: u64,
) -> Result<u64, Errno> {
    let mut used = 0;
    let mut put = |bytes: &[u8]| {
        let left = usize::try_from(room.bytes - used).unwrap_or(usize::MAX);
        let bytes = &bytes[..bytes.len().min(left)];
        memory.write(room.address + used, bytes)?;
        used += bytes.len() as u64;
        Ok::<bool, Errno>(used < room.bytes)
    };
    for (entry, next) in entries.iter().zip(first.saturating_add(1)..) {
        let name_bytes = u32::try_from(entry.name.len()).map_err(|_| Errno::Overflow)?;
        let mut head = [0; ENTRY_BYTES];
        head[..8].copy_from_slice(&next.to_le_bytes());
        head[8..16].copy_from_slice(&entry.inode.to_le_bytes());
        head[16..20].copy_from_slice(&name_bytes.to_le_bytes());
        head[20] = entry.kind;
        if !put(&head)? || !put(entry.name.as_bytes())? {
            break;
        }
    }
    Ok(used)
}

/// Reads entries from the one with this number on. A full buffer means that there is more.
pub(super) fn readdir(
    guest: &mut Guest<'_>,
    fd: u32,
    buffer: u32,
    buffer_bytes: u32,
    first: u64,
    used: u32,
) -> Result<(), Errno> {
    let Guest { ctx, memory } = guest;
    memory.range(used, 4)?;
    let room = memory.range(buffer, buffer_bytes)?;
    let directory = ctx.descriptors.directory(fd)?;
    if first == 0 || directory.listing.is_empty() {
        directory.listing = list(directory)?;
    }
    let skipped = usize::try_from(first).unwrap_or(usize::MAX);
    let entries = directory.listing.get(skipped..).unwrap_or_default();
    let written = write(memory, room, entries, first)?;
    let written = u32::try_from(written).map_err(|_| Errno::Overflow)?;
    memory.write_u32(used, written)
}
