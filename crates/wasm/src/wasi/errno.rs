//! Error numbers, and which the host's errors become.

use rustix::io::Errno as Host;
use std::io;

/// Why a function failed, as the program is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub(super) enum Errno {
    Acces = 2,
    Again = 6,
    Badf = 8,
    Busy = 10,
    Dquot = 19,
    Exist = 20,
    Fault = 21,
    Fbig = 22,
    Ilseq = 25,
    Intr = 27,
    Inval = 28,
    Io = 29,
    Isdir = 31,
    Loop = 32,
    Mfile = 33,
    Mlink = 34,
    Nametoolong = 37,
    Nfile = 41,
    Nodev = 43,
    Noent = 44,
    Nomem = 48,
    Nospc = 51,
    Notdir = 54,
    Notempty = 55,
    Notsup = 58,
    Nxio = 60,
    Overflow = 61,
    Perm = 63,
    Pipe = 64,
    Rofs = 69,
    Spipe = 70,
    Txtbsy = 74,
    Xdev = 75,
}

/// The system's error numbers that mean something to a program.
const KNOWN: [(Host, Errno); 32] = [
    (Host::ACCESS, Errno::Acces),
    (Host::AGAIN, Errno::Again),
    (Host::BADF, Errno::Badf),
    (Host::BUSY, Errno::Busy),
    (Host::DQUOT, Errno::Dquot),
    (Host::EXIST, Errno::Exist),
    (Host::FBIG, Errno::Fbig),
    (Host::ILSEQ, Errno::Ilseq),
    (Host::INTR, Errno::Intr),
    (Host::INVAL, Errno::Inval),
    (Host::IO, Errno::Io),
    (Host::ISDIR, Errno::Isdir),
    (Host::LOOP, Errno::Loop),
    (Host::MFILE, Errno::Mfile),
    (Host::MLINK, Errno::Mlink),
    (Host::NAMETOOLONG, Errno::Nametoolong),
    (Host::NFILE, Errno::Nfile),
    (Host::NODEV, Errno::Nodev),
    (Host::NOENT, Errno::Noent),
    (Host::NOMEM, Errno::Nomem),
    (Host::NOSPC, Errno::Nospc),
    (Host::NOTDIR, Errno::Notdir),
    (Host::NOTEMPTY, Errno::Notempty),
    (Host::OPNOTSUPP, Errno::Notsup),
    (Host::NXIO, Errno::Nxio),
    (Host::OVERFLOW, Errno::Overflow),
    (Host::PERM, Errno::Perm),
    (Host::PIPE, Errno::Pipe),
    (Host::ROFS, Errno::Rofs),
    (Host::SPIPE, Errno::Spipe),
    (Host::TXTBSY, Errno::Txtbsy),
    (Host::XDEV, Errno::Xdev),
];

impl From<Host> for Errno {
    fn from(error: Host) -> Self {
        let known = KNOWN.into_iter().find(|(host, _)| *host == error);
        known.map_or(Self::Io, |(_, errno)| errno)
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        if let Some(host) = Host::from_io_error(&error) {
            return host.into();
        }
        // These are not the system's: `cap-std` refuses paths that lead out of a directory, and it
        // and the standard library refuse arguments that no system call could be given.
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Perm,
            io::ErrorKind::InvalidInput => Self::Inval,
            io::ErrorKind::InvalidData => Self::Ilseq,
            io::ErrorKind::NotFound => Self::Noent,
            io::ErrorKind::AlreadyExists => Self::Exist,
            io::ErrorKind::NotADirectory => Self::Notdir,
            io::ErrorKind::IsADirectory => Self::Isdir,
            io::ErrorKind::Unsupported => Self::Notsup,
            io::ErrorKind::BrokenPipe => Self::Pipe,
            io::ErrorKind::Interrupted => Self::Intr,
            _ => Self::Io,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_keep_their_meaning() {
        for (host, errno) in KNOWN {
            assert_eq!(Errno::from(io::Error::from(host)), errno);
        }
        assert_eq!(Errno::from(Host::NOTTY), Errno::Io);
        let escape = io::Error::new(io::ErrorKind::PermissionDenied, "outside");
        assert_eq!(Errno::from(escape), Errno::Perm);
    }
}
