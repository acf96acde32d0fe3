//! What can be done to any descriptor, and to files apart from reading and writing.

use super::descriptors::Descriptor;
use super::errno::Errno;
use super::filestat::{kind_of, stream_kind};
use super::guest::Guest;
use cap_std::fs::Metadata;
use rustix::fs::{Advice, FallocateFlags, OFlags};
use std::io::{Seek, SeekFrom};
use std::num::NonZeroU64;

/// Kinds of files, as programs know them.
pub(super) mod kind {
    pub(in super::super) const UNKNOWN: u8 = 0;
    pub(in super::super) const BLOCK_DEVICE: u8 = 1;
    pub(in super::super) const CHARACTER_DEVICE: u8 = 2;
    pub(in super::super) const DIRECTORY: u8 = 3;
    pub(in super::super) const REGULAR: u8 = 4;
    pub(in super::super) const SOCKET: u8 = 6;
    pub(in super::super) const SYMBOLIC_LINK: u8 = 7;
}

/// How files are written, as programs know it.
pub(super) mod flags {
    pub(in super::super) const APPEND: u16 = 1;
    pub(in super::super) const DSYNC: u16 = 2;
    pub(in super::super) const NONBLOCK: u16 = 4;
    pub(in super::super) const RSYNC: u16 = 8;
    pub(in super::super) const SYNC: u16 = 16;
}

/// What may be done, as programs know it.
pub(super) mod rights {
    pub(in super::super) const READ: u64 = 1 << 1;
    pub(in super::super) const WRITE: u64 = 1 << 6;
    /// Synchronise, seek, set flags, tell, advise, see and set file attributes, poll.
    pub(super) const FILE: u64 =
        1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 21 | 1 << 23 | 1 << 27;
    /// Allocate and set the size.
    pub(super) const RESIZE: u64 = 1 << 8 | 1 << 22;
    /// Whatever starts from a directory: create, link, open, list, read links, rename, see and set
    /// attributes, remove; and synchronise.
    pub(super) const DIRECTORY: u64 = 1 | 1 << 3 | 1 << 4 | 0x1fff << 9 | 0xf << 23;
    /// Poll and see file attributes.
    pub(super) const STREAM: u64 = 1 << 21 | 1 << 27;
}

/// Bytes of what `fd_fdstat_get` writes.
const FDSTAT_BYTES: usize = 24;

pub(super) fn close(guest: &mut Guest<'_>, fd: u32) -> Result<(), Errno> {
    guest.ctx.descriptors.close(fd)
}

pub(super) fn renumber(guest: &mut Guest<'_>, from: u32, to: u32) -> Result<(), Errno> {
    guest.ctx.descriptors.renumber(from, to)
}

pub(super) fn advise(
    guest: &mut Guest<'_>,
    fd: u32,
    offset: u64,
    bytes: u64,
    advice: u32,
) -> Result<(), Errno> {
    let advice = match advice {
        0 => Advice::Normal,
        1 => Advice::Sequential,
        2 => Advice::Random,
        3 => Advice::WillNeed,
        4 => Advice::DontNeed,
        5 => Advice::NoReuse,
        _ => return Err(Errno::Inval),
    };
    let file = &guest.ctx.descriptors.file(fd)?.file;
    Ok(rustix::fs::fadvise(
        file,
        offset,
        NonZeroU64::new(bytes),
        advice,
    )?)
}

pub(super) fn allocate(
    guest: &mut Guest<'_>,
    fd: u32,
    offset: u64,
    bytes: u64,
) -> Result<(), Errno> {
    let file = guest.ctx.descriptors.file(fd)?;
    if !file.writable {
        return Err(Errno::Badf);
    }
    Ok(rustix::fs::fallocate(
        &file.file,
        FallocateFlags::empty(),
        offset,
        bytes,
    )?)
}

pub(super) fn datasync(guest: &mut Guest<'_>, fd: u32) -> Result<(), Errno> {
    match guest.ctx.descriptors.any(fd)? {
        Descriptor::File(file) => Ok(file.file.sync_data()?),
        Descriptor::Directory(directory) => Ok(rustix::fs::fdatasync(directory.reading()?)?),
        Descriptor::Input(_) | Descriptor::Output(_) => Err(Errno::Inval),
    }
}

pub(super) fn sync(guest: &mut Guest<'_>, fd: u32) -> Result<(), Errno> {
    match guest.ctx.descriptors.any(fd)? {
        Descriptor::File(file) => Ok(file.file.sync_all()?),
        Descriptor::Directory(directory) => Ok(rustix::fs::fsync(directory.reading()?)?),
        Descriptor::Input(_) | Descriptor::Output(_) => Err(Errno::Inval),
    }
}

/// Seeks, with the place to write the new position checked first.
fn seek_to(guest: &mut Guest<'_>, fd: u32, to: SeekFrom, position: u32) -> Result<(), Errno> {
    guest.memory.range(position, 8)?;
    let found = guest.ctx.descriptors.file(fd)?.file.seek(to)?;
    guest.memory.write_u64(position, found)
}

pub(super) fn seek(
    guest: &mut Guest<'_>,
    fd: u32,
    offset: i64,
    whence: u32,
    position: u32,
) -> Result<(), Errno> {
    let to = match whence {
        0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::Inval)?),
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        _ => return Err(Errno::Inval),
    };
    seek_to(guest, fd, to, position)
}

pub(super) fn tell(guest: &mut Guest<'_>, fd: u32, position: u32) -> Result<(), Errno> {
    seek_to(guest, fd, SeekFrom::Current(0), position)
}

/// The flags a program knows among those of the system.
fn flags_of(system: OFlags) -> u16 {
    let pairs = [
        (OFlags::APPEND, flags::APPEND),
        (OFlags::DSYNC, flags::DSYNC),
        (OFlags::NONBLOCK, flags::NONBLOCK),
        (OFlags::SYNC, flags::SYNC),
    ];
    let set = pairs.into_iter().filter(|(flag, _)| system.contains(*flag));
    set.fold(0, |flags, (_, flag)| flags | flag)
}

pub(super) fn fdstat_get(guest: &mut Guest<'_>, fd: u32, stat: u32) -> Result<(), Errno> {
    let (kind, flags, base, inheriting) = match guest.ctx.descriptors.any(fd)? {
        Descriptor::Input(input) => {
            let kind = stream_kind(input.is_terminal());
            (kind, 0, rights::STREAM | rights::READ, 0)
        }
        Descriptor::Output(output) => {
            let kind = stream_kind(output.is_terminal());
            (kind, 0, rights::STREAM | rights::WRITE, 0)
        }
        Descriptor::File(file) => {
            let kind = kind_of(Metadata::from_file(&file.file)?.file_type());
            let flags = flags_of(rustix::fs::fcntl_getfl(&file.file)?);
            let read = if file.readable { rights::READ } else { 0 };
            let write = match file.writable {
                true => rights::WRITE | rights::RESIZE,
                false => 0,
            };
            (kind, flags, rights::FILE | read | write, 0)
        }
        Descriptor::Directory(_) => {
            let files = rights::FILE | rights::READ | rights::WRITE | rights::RESIZE;
            let inheriting = rights::DIRECTORY | files;
            (kind::DIRECTORY, 0, rights::DIRECTORY, inheriting)
        }
    };
    let mut bytes = [0; FDSTAT_BYTES];
    bytes[0] = kind;
    bytes[2..4].copy_from_slice(&flags.to_le_bytes());
    bytes[8..16].copy_from_slice(&base.to_le_bytes());
    bytes[16..24].copy_from_slice(&inheriting.to_le_bytes());
    guest.memory.write(stat.into(), &bytes)
}

/// Sets whether a file is appended to and waited for; the other flags are for opening.
pub(super) fn fdstat_set_flags(guest: &mut Guest<'_>, fd: u32, wanted: u32) -> Result<(), Errno> {
    let settable = u32::from(flags::APPEND | flags::NONBLOCK);
    let file = &guest.ctx.descriptors.file(fd)?.file;
    if wanted & !settable != 0 {
        return Err(Errno::Inval);
    }
    let mut system = rustix::fs::fcntl_getfl(file)?;
    system.set(OFlags::APPEND, wanted & u32::from(flags::APPEND) != 0);
    system.set(OFlags::NONBLOCK, wanted & u32::from(flags::NONBLOCK) != 0);
    Ok(rustix::fs::fcntl_setfl(file, system)?)
}

/// Rights do not decide here, so none can be given up.
pub(super) fn fdstat_set_rights(
    guest: &mut Guest<'_>,
    fd: u32,
    _base: u64,
    _inheriting: u64,
) -> Result<(), Errno> {
    guest.ctx.descriptors.any(fd)?;
    Err(Errno::Notsup)
}

/// The name of a directory that the program was given.
fn given<'a>(guest: &'a mut Guest<'_>, fd: u32) -> Result<&'a str, Errno> {
    match guest.ctx.descriptors.any(fd)? {
        Descriptor::Directory(directory) => directory.given.as_deref().ok_or(Errno::Badf),
        _ => Err(Errno::Badf),
    }
}

pub(super) fn prestat_get(guest: &mut Guest<'_>, fd: u32, prestat: u32) -> Result<(), Errno> {
    let name_bytes = given(guest, fd)?.len();
    let name_bytes = u32::try_from(name_bytes).map_err(|_| Errno::Overflow)?;
    // The kind, of which there is one, and the length of the name.
    let mut bytes = [0; 8];
    bytes[4..].copy_from_slice(&name_bytes.to_le_bytes());
    guest.memory.write(prestat.into(), &bytes)
}

pub(super) fn prestat_dir_name(
    guest: &mut Guest<'_>,
    fd: u32,
    name: u32,
    name_bytes: u32,
) -> Result<(), Errno> {
    let given = given(guest, fd)?.to_owned();
    if given.len() > name_bytes as usize {
        return Err(Errno::Nametoolong);
    }
    guest.memory.write(name.into(), given.as_bytes())
}
