//! Attributes of files: kind, size, times.

use super::clock::nanoseconds;
use super::descriptors::Descriptor;
use super::errno::Errno;
use super::fd::kind;
use super::guest::{Guest, GuestMemory};
use super::path::follows_links;
use cap_fs_ext::{DirExt, SystemTimeSpec};
use cap_std::fs::{FileType, FileTypeExt, Metadata, MetadataExt};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use std::time::{Duration, SystemTime};

/// Bytes of what `fd_filestat_get` and `path_filestat_get` write.
const FILESTAT_BYTES: u32 = 64;

/// Which times are set, and to what.
mod set {
    pub(super) const ACCESS: u32 = 1;
    pub(super) const ACCESS_NOW: u32 = 2;
    pub(super) const MODIFICATION: u32 = 4;
    pub(super) const MODIFICATION_NOW: u32 = 8;
}

/// The kind of a file.
pub(super) fn kind_of(ty: FileType) -> u8 {
    let kinds = [
        (ty.is_file(), kind::REGULAR),
        (ty.is_dir(), kind::DIRECTORY),
        (ty.is_symlink(), kind::SYMBOLIC_LINK),
        (ty.is_char_device(), kind::CHARACTER_DEVICE),
        (ty.is_block_device(), kind::BLOCK_DEVICE),
        (ty.is_socket(), kind::SOCKET),
    ];
    let found = kinds.into_iter().find(|(is, _)| *is);
    found.map_or(kind::UNKNOWN, |(_, kind)| kind)
}

/// The kind of a stream.
pub(super) const fn stream_kind(is_terminal: bool) -> u8 {
    if is_terminal {
        kind::CHARACTER_DEVICE
    } else {
        kind::UNKNOWN
    }
}

/// What programs are told of a file.
#[derive(Default)]
struct FileStat {
    device: u64,
    inode: u64,
    kind: u8,
    links: u64,
    size_bytes: u64,
    /// Of the last access, modification and change, in nanoseconds since 1970.
    times: [u64; 3],
}

impl FileStat {
    fn write(&self, memory: &mut GuestMemory<'_>, address: u32) -> Result<(), Errno> {
        let [access, modification, change] = self.times;
        let words = [
            self.device,
            self.inode,
            self.kind.into(),
            self.links,
            self.size_bytes,
            access,
            modification,
            change,
        ];
        let mut bytes = [0; FILESTAT_BYTES as usize];
        for (target, word) in bytes.chunks_exact_mut(8).zip(words) {
            target.copy_from_slice(&word.to_le_bytes());
        }
        memory.write(address.into(), &bytes)
    }
}

/// A time as programs count it; one before 1970 counts as 1970.
fn since_1970(seconds: i64, nanos: i64) -> Result<u64, Errno> {
    let Ok(seconds) = u64::try_from(seconds) else {
        return Ok(0);
    };
    let nanos = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
    nanoseconds(Duration::from_secs(seconds).saturating_add(nanos))
}

/// What a program is told of a file of which the system says `found`.
fn describe(found: &Metadata) -> Result<FileStat, Errno> {
    Ok(FileStat {
        device: found.dev(),
        inode: found.ino(),
        kind: kind_of(found.file_type()),
        links: found.nlink(),
        size_bytes: found.size(),
        times: [
            since_1970(found.atime(), found.atime_nsec())?,
            since_1970(found.mtime(), found.mtime_nsec())?,
            since_1970(found.ctime(), found.ctime_nsec())?,
        ],
    })
}

pub(super) fn of_descriptor(guest: &mut Guest<'_>, fd: u32, stat: u32) -> Result<(), Errno> {
    let stream = |is_terminal: bool| FileStat {
        kind: stream_kind(is_terminal),
        ..FileStat::default()
    };
    let found = match guest.ctx.descriptors.any(fd)? {
        Descriptor::Input(input) => stream(input.is_terminal()),
        Descriptor::Output(output) => stream(output.is_terminal()),
        Descriptor::File(file) => describe(&Metadata::from_file(&file.file)?)?,
        Descriptor::Directory(directory) => describe(&directory.dir.dir_metadata()?)?,
    };
    found.write(&mut guest.memory, stat)
}

pub(super) fn of_path(
    guest: &mut Guest<'_>,
    fd: u32,
    lookup: u32,
    path: u32,
    path_bytes: u32,
    stat: u32,
) -> Result<(), Errno> {
    guest.memory.range(stat, FILESTAT_BYTES)?;
    let dir = &guest.ctx.descriptors.directory(fd)?.dir;
    let path = guest.memory.path(path, path_bytes)?;
    let found = match follows_links(lookup)? {
        true => dir.metadata(path)?,
        false => dir.symlink_metadata(path)?,
    };
    describe(&found)?.write(&mut guest.memory, stat)
}

pub(super) fn set_size(guest: &mut Guest<'_>, fd: u32, bytes: u64) -> Result<(), Errno> {
    let file = guest.ctx.descriptors.file(fd)?;
    if !file.writable {
        return Err(Errno::Badf);
    }
    Ok(file.file.set_len(bytes)?)
}

/// A time to set, if any: the one given, or now.
fn time_to_set(
    nanoseconds: u64,
    flags: u32,
    given: u32,
    now: u32,
) -> Result<Option<SystemTimeSpec>, Errno> {
    match (flags & given != 0, flags & now != 0) {
        (true, true) => Err(Errno::Inval),
        (true, false) => {
            let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(nanoseconds));
            let time = cap_std::time::SystemTime::from_std(time.ok_or(Errno::Overflow)?);
            Ok(Some(SystemTimeSpec::Absolute(time)))
        }
        (false, true) => Ok(Some(SystemTimeSpec::SymbolicNow)),
        (false, false) => Ok(None),
    }
}

/// The times of access and of modification to set.
fn times_to_set(
    access: u64,
    modification: u64,
    flags: u32,
) -> Result<[Option<SystemTimeSpec>; 2], Errno> {
    if flags & !(set::ACCESS | set::ACCESS_NOW | set::MODIFICATION | set::MODIFICATION_NOW) != 0 {
        return Err(Errno::Inval);
    }
    Ok([
        time_to_set(access, flags, set::ACCESS, set::ACCESS_NOW)?,
        time_to_set(
            modification,
            flags,
            set::MODIFICATION,
            set::MODIFICATION_NOW,
        )?,
    ])
}

/// A time for `futimens`.
fn timespec(time: Option<SystemTimeSpec>) -> Result<Timespec, Errno> {
    let symbolic = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    Ok(match time {
        None => symbolic(UTIME_OMIT),
        Some(SystemTimeSpec::SymbolicNow) => symbolic(UTIME_NOW),
        Some(SystemTimeSpec::Absolute(time)) => {
            let since = time.into_std().duration_since(SystemTime::UNIX_EPOCH);
            let since = since.map_err(|_| Errno::Inval)?;
            Timespec {
                tv_sec: i64::try_from(since.as_secs()).map_err(|_| Errno::Overflow)?,
                tv_nsec: since.subsec_nanos().into(),
            }
        }
    })
}

pub(super) fn set_descriptor_times(
    guest: &mut Guest<'_>,
    fd: u32,
    access: u64,
    modification: u64,
    flags: u32,
) -> Result<(), Errno> {
    let [access, modification] = times_to_set(access, modification, flags)?;
    match guest.ctx.descriptors.any(fd)? {
        Descriptor::File(file) => {
            let times = Timestamps {
                last_access: timespec(access)?,
                last_modification: timespec(modification)?,
            };
            Ok(rustix::fs::futimens(&file.file, &times)?)
        }
        Descriptor::Directory(directory) => {
            Ok(directory.dir.set_times(".", access, modification)?)
        }
        Descriptor::Input(_) | Descriptor::Output(_) => Err(Errno::Badf),
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "these are the function's parameters"
)]
pub(super) fn set_path_times(
    guest: &mut Guest<'_>,
    fd: u32,
    lookup: u32,
    path: u32,
    path_bytes: u32,
    access: u64,
    modification: u64,
    flags: u32,
) -> Result<(), Errno> {
    let dir = &guest.ctx.descriptors.directory(fd)?.dir;
    let path = guest.memory.path(path, path_bytes)?;
    let [access, modification] = times_to_set(access, modification, flags)?;
    if follows_links(lookup)? {
        dir.set_times(path, access, modification)?;
    } else {
        dir.set_symlink_times(path, access, modification)?;
    }
    Ok(())
}
