//! What is done to paths, each relative to an open directory.

use super::errno::Errno;
use super::guest::Guest;
use cap_fs_ext::DirExt;
use std::os::unix::ffi::OsStrExt;

/// The lookup flag to follow a symbolic link that a path ends in.
const FOLLOW: u32 = 1;

/// Whether a lookup follows a symbolic link that the path ends in.
///
/// # Errors
/// [`Errno::Inval`] for flags there are not.
pub(super) fn follows_links(lookup: u32) -> Result<bool, Errno> {
    match lookup {
        0 => Ok(false),
        FOLLOW => Ok(true),
        _ => Err(Errno::Inval),
    }
}

pub(super) fn create_directory(
    guest: &mut Guest<'_>,
    fd: u32,
    path: u32,
    path_bytes: u32,
) -> Result<(), Errno> {
    let dir = &guest.ctx.descriptors.directory(fd)?.dir;
    Ok(dir.create_dir(guest.memory.path(path, path_bytes)?)?)
}

pub(super) fn remove_directory(
    guest: &mut Guest<'_>,
    fd: u32,
    path: u32,
    path_bytes: u32,
) -> Result<(), Errno> {
    let dir = &guest.ctx.descriptors.directory(fd)?.dir;
    Ok(dir.remove_dir(guest.memory.path(path, path_bytes)?)?)
}

pub(super) fn unlink_file(
    guest: &mut Guest<'_>,
    fd: u32,
    path: u32,
    path_bytes: u32,
) -> Result<(), Errno> {
    let dir = &guest.ctx.descriptors.directory(fd)?.dir;
    Ok(dir.remove_file_or_symlink(guest.memory.path(path, path_bytes)?)?)
}

/// Makes a hard link; to a symbolic link itself, never through it.
#[expect(
    clippy::too_many_arguments,
    reason = "these are the function's parameters"
)]
pub(super) fn link(
    guest: &mut Guest<'_>,
    fd: u32,
    lookup: u32,
    path: u32,
    path_bytes: u32,
    new_fd: u32,
    new_path: u32,
    new_path_bytes: u32,
) -> Result<(), Errno> {
    let (dir, new_dir) = guest.ctx.descriptors.directories(fd, new_fd)?;
    let path = guest.memory.path(path, path_bytes)?;
    let new_path = guest.memory.path(new_path, new_path_bytes)?;
    if follows_links(lookup)? {
        return Err(Errno::Inval);
    }
    Ok(dir.hard_link(path, new_dir, new_path)?)
}

pub(super) fn rename(
    guest: &mut Guest<'_>,
    fd: u32,
    path: u32,
    path_bytes: u32,
    new_fd: u32,
    new_path: u32,
    new_path_bytes: u32,
) -> Result<(), Errno> {
    let (dir, new_dir) = guest.ctx.descriptors.directories(fd, new_fd)?;
    let path = guest.memory.path(path, path_bytes)?;
    let new_path = guest.memory.path(new_path, new_path_bytes)?;
    Ok(dir.rename(path, new_dir, new_path)?)
}

/// Makes a symbolic link, of which an absolute target is refused.
pub(super) fn symlink(
    guest: &mut Guest<'_>,
    target: u32,
    target_bytes: u32,
    fd: u32,
    path: u32,
    path_bytes: u32,
) -> Result<(), Errno> {
    let dir = &guest.ctx.descriptors.directory(fd)?.dir;
    let target = guest.memory.path(target, target_bytes)?;
    let path = guest.memory.path(path, path_bytes)?;
    Ok(dir.symlink(target, path)?)
}

/// Reads a link; as much of it as there is room for.
pub(super) fn readlink(
    guest: &mut Guest<'_>,
    fd: u32,
    path: u32,
    path_bytes: u32,
    buffer: u32,
    buffer_bytes: u32,
    written: u32,
) -> Result<(), Errno> {
    let dir = &guest.ctx.descriptors.directory(fd)?.dir;
    guest.memory.range(written, 4)?;
    let range = guest.memory.range(buffer, buffer_bytes)?;
    let target = dir.read_link(guest.memory.path(path, path_bytes)?)?;
    let target = target.as_os_str().as_bytes();
    let bytes = target.len().min(buffer_bytes as usize);
    guest.memory.write(range.address, &target[..bytes])?;
    let bytes = u32::try_from(bytes).map_err(|_| Errno::Overflow)?;
    guest.memory.write_u32(written, bytes)
}
