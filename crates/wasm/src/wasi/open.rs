//! Opening files and directories.

use super::descriptors::{Descriptor, OpenDirectory, OpenFile};
use super::errno::Errno;
use super::fd::{flags, rights};
use super::guest::Guest;
use super::path::follows_links;
use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::{Dir, OpenOptions};
use rustix::fs::OFlags;

/// How a path is opened.
mod how {
    pub(super) const CREATE: u32 = 1;
    pub(super) const DIRECTORY: u32 = 2;
    pub(super) const EXCLUSIVE: u32 = 4;
    pub(super) const TRUNCATE: u32 = 8;
}

/// All that a program says of how to open a path.
struct Request {
    how: u32,
    follow: bool,
    readable: bool,
    writable: bool,
    flags: u16,
}

impl Request {
    /// # Errors
    /// [`Errno::Inval`] for bits that mean nothing, alone or together.
    fn new(lookup: u32, how: u32, rights: u64, flags: u32) -> Result<Self, Errno> {
        let making = how & (how::CREATE | how::EXCLUSIVE | how::TRUNCATE) != 0;
        let known = how::CREATE | how::DIRECTORY | how::EXCLUSIVE | how::TRUNCATE;
        let flags = u16::try_from(flags).map_err(|_| Errno::Inval)?;
        let known_flags =
            flags::APPEND | flags::DSYNC | flags::NONBLOCK | flags::RSYNC | flags::SYNC;
        if how & !known != 0 || flags & !known_flags != 0 {
            return Err(Errno::Inval);
        }
        if how & how::DIRECTORY != 0 && making {
            return Err(Errno::Inval);
        }
        Ok(Self {
            how,
            follow: follows_links(lookup)?,
            readable: rights & rights::READ != 0,
            writable: rights & rights::WRITE != 0,
            flags,
        })
    }

    fn is(&self, how: u32) -> bool {
        self.how & how != 0
    }

    /// Options for the system. It makes and cuts files only for those who may write, and opens
    /// none for nothing, so they may ask for more than the program can do later.
    fn options(&self) -> OpenOptions {
        let write = self.writable || self.is(how::CREATE | how::TRUNCATE);
        let mut options = OpenOptions::new();
        options
            .read(self.readable || !write)
            .write(write)
            .create(self.is(how::CREATE))
            .create_new(self.is(how::CREATE) && self.is(how::EXCLUSIVE))
            .truncate(self.is(how::TRUNCATE))
            .sync(self.flags & flags::SYNC != 0)
            .dsync(self.flags & flags::DSYNC != 0)
            .rsync(self.flags & flags::RSYNC != 0)
            .nonblock(self.flags & flags::NONBLOCK != 0)
            .follow(match self.follow {
                true => FollowSymlinks::Yes,
                false => FollowSymlinks::No,
            });
        options
    }

    fn open(&self, dir: &Dir, path: &str) -> Result<Descriptor, Errno> {
        if self.is(how::DIRECTORY) {
            let opened = match self.follow {
                true => dir.open_dir(path)?,
                false => dir.open_dir_nofollow(path)?,
            };
            return Ok(Descriptor::Directory(OpenDirectory::opened(opened)));
        }
        let file = dir.open_with(path, &self.options())?.into_std();
        if file.metadata()?.is_dir() {
            let opened = Dir::from_std_file(file);
            return Ok(Descriptor::Directory(OpenDirectory::opened(opened)));
        }
        if self.flags & flags::APPEND != 0 {
            // Asked for when opening, it would rule out cutting the file.
            let flags = rustix::fs::fcntl_getfl(&file)?;
            rustix::fs::fcntl_setfl(&file, flags | OFlags::APPEND)?;
        }
        Ok(Descriptor::File(OpenFile {
            file,
            readable: self.readable,
            writable: self.writable,
        }))
    }
}

#[expect(clippy::too_many_arguments, reason = "these are the function's parameters")]
pub(super) fn open(
    guest: &mut Guest<'_>,
    fd: u32,
    lookup: u32,
    path: u32,
    path_bytes: u32,
    how: u32,
    rights: u64,
    _inheriting: u64,
    flags: u32,
    opened: u32,
) -> Result<(), Errno> {
    let Guest { ctx, memory } = guest;
    memory.range(opened, 4)?;
    let dir = &ctx.descriptors.directory(fd)?.dir;
    let path = memory.path(path, path_bytes)?;
    let descriptor = Request::new(lookup, how, rights, flags)?.open(dir, &path)?;
    let fd = ctx.descriptors.insert(descriptor)?;
    memory.write_u32(opened, fd)
}
