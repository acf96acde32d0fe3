//! The program that calls: what it sees, and its memory.

use super::WasiCtx;
use super::errno::Errno;
use crate::memory::Memory;
use windrow::Store;

/// The most bytes of a path.
const MAX_PATH_BYTES: u32 = 4096;

/// The most buffers of one transfer, as elsewhere (`IOV_MAX`).
const MAX_BUFFERS: u32 = 1024;

/// Bytes of a buffer's description: address and length.
const BUFFER_BYTES: u64 = 8;

/// A program during a call.
pub(super) struct Guest<'a> {
    pub(super) ctx: &'a mut WasiCtx,
    pub(super) memory: GuestMemory<'a>,
}

/// The memory of a program. Addresses outside of it are [`Errno::Fault`].
pub(super) struct GuestMemory<'a> {
    store: &'a mut Store,
    memory: Memory,
}

/// A range of a program's memory, known to lie within it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buffer {
    pub(super) address: u64,
    pub(super) bytes: u64,
}

impl<'a> GuestMemory<'a> {
    pub(super) fn new(store: &'a mut Store, memory: Memory) -> Self {
        Self { store, memory }
    }

    /// The store of the program.
    pub(super) const fn store(&self) -> &Store {
        self.store
    }

    /// Checks that a range lies within the memory.
    pub(super) fn range(&self, address: u32, bytes: u32) -> Result<Buffer, Errno> {
        let (address, bytes) = (u64::from(address), u64::from(bytes));
        if address + bytes > self.memory.size_bytes() {
            return Err(Errno::Fault);
        }
        Ok(Buffer { address, bytes })
    }

    pub(super) fn read(&self, address: u64, target: &mut [u8]) -> Result<(), Errno> {
        let done = self.memory.read(self.store, address, target);
        done.map_err(|_| Errno::Fault)
    }

    pub(super) fn write(&mut self, address: u64, source: &[u8]) -> Result<(), Errno> {
        let done = self.memory.write(self.store, address, source);
        done.map_err(|_| Errno::Fault)
    }

    /// Reads `N` bytes.
    pub(super) fn array<const N: usize>(&self, address: u64) -> Result<[u8; N], Errno> {
        let mut bytes = [0; N];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn write_u32(&mut self, address: u32, value: u32) -> Result<(), Errno> {
        self.write(address.into(), &value.to_le_bytes())
    }

    pub(super) fn write_u64(&mut self, address: u32, value: u64) -> Result<(), Errno> {
        self.write(address.into(), &value.to_le_bytes())
    }

    /// Reads a path.
    ///
    /// # Errors
    /// [`Errno::Nametoolong`], [`Errno::Fault`]; [`Errno::Ilseq`] if it is not UTF-8.
    pub(super) fn path(&self, address: u32, bytes: u32) -> Result<String, Errno> {
        let range = self.range(address, bytes)?;
        if bytes > MAX_PATH_BYTES {
            return Err(Errno::Nametoolong);
        }
        let mut path = vec![0; bytes as usize];
        self.read(range.address, &mut path)?;
        String::from_utf8(path).map_err(|_| Errno::Ilseq)
    }

    /// Reads the descriptions of a transfer's buffers, all of them checked.
    ///
    /// # Errors
    /// [`Errno::Inval`] if there are too many, or more bytes than can be counted in 32 bits.
    pub(super) fn buffers(&self, address: u32, count: u32) -> Result<Vec<Buffer>, Errno> {
        if count > MAX_BUFFERS {
            return Err(Errno::Inval);
        }
        let mut total = 0;
        let mut buffers = Vec::with_capacity(count as usize);
        for index in 0..u64::from(count) {
            let [a, b, c, d, e, f, g, h] = self.array(u64::from(address) + index * BUFFER_BYTES)?;
            let (at, bytes) = (
                u32::from_le_bytes([a, b, c, d]),
                u32::from_le_bytes([e, f, g, h]),
            );
            let buffer = self.range(at, bytes)?;
            total += buffer.bytes;
            buffers.push(buffer);
        }
        match u32::try_from(total) {
            Ok(_) => Ok(buffers),
            Err(_) => Err(Errno::Inval),
        }
    }
}
