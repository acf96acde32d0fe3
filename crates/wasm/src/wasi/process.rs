//! Arguments, environment, random bytes; and what is refused: signals and sockets.

use super::errno::Errno;
use super::guest::{Guest, GuestMemory};

/// Random bytes are handed over in pieces of this many.
const RANDOM_PIECE_BYTES: usize = 4096;

/// Number and size of strings, each ended by a zero.
fn sizes(
    memory: &mut GuestMemory<'_>,
    strings: &[String],
    count: u32,
    bytes: u32,
) -> Result<(), Errno> {
    let total: usize = strings.iter().map(|string| string.len() + 1).sum();
    let as_u32 = |value: usize| u32::try_from(value).map_err(|_| Errno::Overflow);
    memory.write_u32(count, as_u32(strings.len())?)?;
    memory.write_u32(bytes, as_u32(total)?)
}

/// Writes strings, each ended by a zero, and the address of each.
fn strings(
    memory: &mut GuestMemory<'_>,
    strings: &[String],
    addresses: u32,
    bytes: u32,
) -> Result<(), Errno> {
    let (mut address_at, mut at) = (u64::from(addresses), u64::from(bytes));
    for string in strings {
        let address = u32::try_from(at).map_err(|_| Errno::Fault)?;
        memory.write(at, string.as_bytes())?;
        at += string.len() as u64;
        memory.write(at, &[0])?;
        at += 1;
        memory.write(address_at, &address.to_le_bytes())?;
        address_at += 4;
    }
    Ok(())
}

pub(super) fn args_sizes_get(guest: &mut Guest<'_>, count: u32, bytes: u32) -> Result<(), Errno> {
    sizes(&mut guest.memory, &guest.ctx.args, count, bytes)
}

pub(super) fn args_get(guest: &mut Guest<'_>, addresses: u32, bytes: u32) -> Result<(), Errno> {
    strings(&mut guest.memory, &guest.ctx.args, addresses, bytes)
}

pub(super) fn environ_sizes_get(
    guest: &mut Guest<'_>,
    count: u32,
    bytes: u32,
) -> Result<(), Errno> {
    sizes(&mut guest.memory, &guest.ctx.env, count, bytes)
}

pub(super) fn environ_get(guest: &mut Guest<'_>, addresses: u32, bytes: u32) -> Result<(), Errno> {
    strings(&mut guest.memory, &guest.ctx.env, addresses, bytes)
}

pub(super) fn random_get(guest: &mut Guest<'_>, address: u32, bytes: u32) -> Result<(), Errno> {
    let range = guest.memory.range(address, bytes)?;
    let mut piece = [0; RANDOM_PIECE_BYTES];
    let mut done = 0;
    while done < range.bytes {
        let left = usize::try_from(range.bytes - done).unwrap_or(usize::MAX);
        let piece = &mut piece[..left.min(RANDOM_PIECE_BYTES)];
        getrandom::fill(piece).map_err(|_| Errno::Io)?;
        guest.memory.write(range.address + done, piece)?;
        done += piece.len() as u64;
    }
    Ok(())
}

pub(super) fn sched_yield(_: &mut Guest<'_>) -> Result<(), Errno> {
    std::thread::yield_now();
    Ok(())
}

pub(super) fn raise(_: &mut Guest<'_>, _signal: u32) -> Result<(), Errno> {
    Err(Errno::Notsup)
}

pub(super) fn sock_accept(
    _: &mut Guest<'_>,
    _fd: u32,
    _flags: u32,
    _accepted: u32,
) -> Result<(), Errno> {
    Err(Errno::Notsup)
}

pub(super) fn sock_recv(
    _: &mut Guest<'_>,
    _fd: u32,
    _buffers: u32,
    _count: u32,
    _flags: u32,
    _received: u32,
    _received_flags: u32,
) -> Result<(), Errno> {
    Err(Errno::Notsup)
}

pub(super) fn sock_send(
    _: &mut Guest<'_>,
    _fd: u32,
    _buffers: u32,
    _count: u32,
    _flags: u32,
    _sent: u32,
) -> Result<(), Errno> {
    Err(Errno::Notsup)
}

pub(super) fn sock_shutdown(_: &mut Guest<'_>, _fd: u32, _how: u32) -> Result<(), Errno> {
    Err(Errno::Notsup)
}
