//! Standard input, output and error: the process's own, or buffers.

use super::errno::Errno;
use std::io::{self, IsTerminal, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// What a program writes, kept for who runs it. Clones are the same buffer.
#[derive(Clone, Debug)]
pub struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    limit_bytes: usize,
}

impl Captured {
    /// How much is kept unless chosen otherwise.
    pub const DEFAULT_LIMIT_BYTES: usize = 16 << 20;

    /// An empty buffer of at most `limit_bytes`. Writing more fails, as on a full disk (`nospc`).
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            bytes: Arc::default(),
            limit_bytes,
        }
    }

    /// What was written, a copy.
    #[must_use]
    pub fn contents(&self) -> Vec<u8> {
        self.bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn write(&self, source: &[u8]) -> Result<usize, Errno> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.limit_bytes.saturating_sub(bytes.len());
        if room == 0 && !source.is_empty() {
            return Err(Errno::Nospc);
        }
        let written = source.len().min(room);
        bytes.extend_from_slice(&source[..written]);
        Ok(written)
    }
}

impl Default for Captured {
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT_BYTES)
    }
}

/// Where standard input comes from.
#[derive(Debug)]
pub(super) enum Input {
    Process,
    Buffer(io::Cursor<Vec<u8>>),
}

impl Input {
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Process) && io::stdin().is_terminal()
    }

    /// Reads what there is, waiting for some; 0 at the end.
    pub(super) fn read(&mut self, target: &mut [u8]) -> Result<usize, Errno> {
        if target.is_empty() {
            return Ok(0);
        }
        loop {
            let read = match self {
                Self::Process => io::stdin().lock().read(target),
                Self::Buffer(buffer) => buffer.read(target),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return Ok(read?),
            }
        }
    }
}

/// Where standard output or error goes.
#[derive(Debug)]
pub(super) enum Output {
    Nowhere,
    Stdout,
    Stderr,
    Captured(Captured),
}

impl Output {
    pub(super) fn is_terminal(&self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
            Self::Nowhere | Self::Captured(_) => false,
        }
    }

    /// Writes, and hands on at once; how many bytes.
    pub(super) fn write(&mut self, source: &[u8]) -> Result<usize, Errno> {
        let all = |mut stream: Box<dyn Write>| stream.write_all(source).and_then(|()| stream.flush());
        match self {
            Self::Nowhere => {}
            Self::Stdout => all(Box::new(io::stdout().lock()))?,
            Self::Stderr => all(Box::new(io::stderr().lock()))?,
            Self::Captured(buffer) => return buffer.write(source),
        }
        Ok(source.len())
    }
}
