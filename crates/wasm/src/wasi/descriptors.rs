//! Descriptors: the numbers a program uses for open streams, files and directories.

use super::errno::Errno;
use super::listing::Listed;
use super::stdio::{Input, Output};
use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::os::fd::OwnedFd;

/// The most descriptors a program can have; the system may allow fewer.
const MAX_DESCRIPTORS: usize = 1 << 16;

/// Something open.
#[derive(Debug)]
pub(super) enum Descriptor {
    Input(Input),
    Output(Output),
    File(OpenFile),
    Directory(OpenDirectory),
}

/// An open file, or whatever else a path led to that is no directory.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    /// What the program may do, which can be less than the system would let it.
    pub(super) readable: bool,
    pub(super) writable: bool,
}

/// An open directory.
#[derive(Debug)]
pub(super) struct OpenDirectory {
    pub(super) dir: Dir,
    /// Its name, if the program was given it.
    pub(super) given: Option<String>,
    /// Its entries, as they were when last read from the start.
    pub(super) listing: Vec<Listed>,
}

impl OpenDirectory {
    /// A directory that the program opened.
    pub(super) const fn opened(dir: Dir) -> Self {
        Self {
            dir,
            given: None,
            listing: Vec::new(),
        }
    }

    /// A directory that the program is given, under a name.
    pub(super) const fn given(dir: Dir, name: String) -> Self {
        Self {
            dir,
            given: Some(name),
            listing: Vec::new(),
        }
    }

    /// The directory opened anew for reading, which `dir` need not be.
    pub(super) fn reading(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.dir, ".", flags, Mode::empty())?)
    }
}

/// All that a program has open.
#[derive(Debug)]
pub(super) struct Descriptors {
    slots: Vec<Option<Descriptor>>,
}

impl Descriptors {
    /// The three streams, as 0, 1 and 2.
    pub(super) fn new(stdin: Input, stdout: Output, stderr: Output) -> Self {
        let streams = [
            Descriptor::Input(stdin),
            Descriptor::Output(stdout),
            Descriptor::Output(stderr),
        ];
        Self {
            slots: streams.into_iter().map(Some).collect(),
        }
    }

    /// Adds something, under the lowest number that is free.
    ///
    /// # Errors
    /// [`Errno::Mfile`].
    pub(super) fn insert(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        let free = self.slots.iter().position(Option::is_none);
        let index = free.unwrap_or(self.slots.len());
        let fd = u32::try_from(index).map_err(|_| Errno::Mfile)?;
        if index == MAX_DESCRIPTORS {
            return Err(Errno::Mfile);
        }
        if index == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[index] = Some(descriptor);
        Ok(fd)
    }

    fn slot(&mut self, fd: u32) -> Result<&mut Option<Descriptor>, Errno> {
        let slot = self.slots.get_mut(fd as usize);
        slot.filter(|slot| slot.is_some()).ok_or(Errno::Badf)
    }

    /// What a number stands for.
    pub(super) fn any(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        self.slot(fd)?.as_mut().ok_or(Errno::Badf)
    }

    /// A file.
    ///
    /// # Errors
    /// [`Errno::Badf`] for a directory, [`Errno::Spipe`] for a stream.
    pub(super) fn file(&mut self, fd: u32) -> Result<&mut OpenFile, Errno> {
        match self.any(fd)? {
            Descriptor::File(file) => Ok(file),
            Descriptor::Directory(_) => Err(Errno::Badf),
            Descriptor::Input(_) | Descriptor::Output(_) => Err(Errno::Spipe),
        }
    }

    /// A directory.
    ///
    /// # Errors
    /// [`Errno::Notdir`] for anything else.
    pub(super) fn directory(&mut self, fd: u32) -> Result<&mut OpenDirectory, Errno> {
        match self.any(fd)? {
            Descriptor::Directory(directory) => Ok(directory),
            _ => Err(Errno::Notdir),
        }
    }

    /// Two directories, maybe the same one.
    pub(super) fn directories(&mut self, first: u32, second: u32) -> Result<(&Dir, &Dir), Errno> {
        self.directory(first)?;
        self.directory(second)?;
        let dir = |fd: u32| match self.slots.get(fd as usize) {
            Some(Some(Descriptor::Directory(directory))) => Ok(&directory.dir),
            _ => Err(Errno::Notdir),
        };
        Ok((dir(first)?, dir(second)?))
    }

    pub(super) fn close(&mut self, fd: u32) -> Result<(), Errno> {
        *self.slot(fd)? = None;
        Ok(())
    }

    /// Gives what `from` stands for the number `to`, in place of what that stood for.
    pub(super) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.slot(to)?;
        let slot = self.slot(from)?;
        if from != to {
            let moved = slot.take();
            *self.slot(to)? = moved;
        }
        Ok(())
    }
}
