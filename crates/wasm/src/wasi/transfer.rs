//! Reading and writing, in pieces, between what is open and the program's memory.

use super::descriptors::{Descriptor, Descriptors};
use super::errno::Errno;
use super::guest::{Buffer, Guest};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;

/// Transfers go through a buffer of at most this size.
const MAX_PIECE_BYTES: usize = 64 << 10;

/// Where in a file.
#[derive(Clone, Copy)]
enum Place {
    /// At the descriptor's position, which moves on.
    Here,
    /// At this offset; the position stays.
    At(u64),
}

/// The buffers in pieces, in order: address, and how many bytes.
fn pieces(buffers: &[Buffer]) -> impl Iterator<Item = (u64, usize)> {
    buffers.iter().flat_map(|buffer| {
        let starts = (0..buffer.bytes).step_by(MAX_PIECE_BYTES);
        starts.map(|start| {
            let bytes = (buffer.bytes - start).min(MAX_PIECE_BYTES as u64);
            (
                buffer.address + start,
                usize::try_from(bytes).unwrap_or(usize::MAX),
            )
        })
    })
}

/// Room for the largest piece.
fn room(buffers: &[Buffer]) -> Vec<u8> {
    let largest = pieces(buffers).map(|(_, bytes)| bytes).max();
    vec![0; largest.unwrap_or(0)]
}

/// Transfers piece by piece until one is cut short. How many bytes; an error counts only if it
/// comes before any.
fn each(
    buffers: &[Buffer],
    mut transfer: impl FnMut(u64, usize, u64) -> Result<usize, Errno>,
) -> Result<u32, Errno> {
    let mut total = 0_u64;
    for (address, bytes) in pieces(buffers) {
        match transfer(address, bytes, total) {
            Ok(done) => {
                total += done as u64;
                if done < bytes {
                    break;
                }
            }
            Err(errno) if total == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    u32::try_from(total).map_err(|_| Errno::Overflow)
}

fn read_some(
    descriptors: &mut Descriptors,
    fd: u32,
    place: Place,
    target: &mut [u8],
    done: u64,
) -> Result<usize, Errno> {
    match (descriptors.any(fd)?, place) {
        // What is there is enough: waiting for more could be waiting for ever.
        (Descriptor::Input(_), Place::Here) if done > 0 => Ok(0),
        (Descriptor::Input(input), Place::Here) => input.read(target),
        (Descriptor::File(file), _) if !file.readable => Err(Errno::Badf),
        (Descriptor::File(file), Place::Here) => Ok(file.file.read(target)?),
        (Descriptor::File(file), Place::At(offset)) => {
            let offset = offset.checked_add(done).ok_or(Errno::Inval)?;
            Ok(file.file.read_at(target, offset)?)
        }
        (Descriptor::Directory(_) | Descriptor::Output(_), Place::Here) => Err(Errno::Badf),
        (_, Place::At(_)) => Err(descriptors.file(fd).err().unwrap_or(Errno::Badf)),
    }
}

fn write_some(
    descriptors: &mut Descriptors,
    fd: u32,
    place: Place,
    source: &[u8],
    done: u64,
) -> Result<usize, Errno> {
    match (descriptors.any(fd)?, place) {
        (Descriptor::Output(output), Place::Here) => output.write(source),
        (Descriptor::File(file), _) if !file.writable => Err(Errno::Badf),
        (Descriptor::File(file), Place::Here) => Ok(file.file.write(source)?),
        (Descriptor::File(file), Place::At(offset)) => {
            let offset = offset.checked_add(done).ok_or(Errno::Inval)?;
            Ok(file.file.write_at(source, offset)?)
        }
        (Descriptor::Directory(_) | Descriptor::Input(_), Place::Here) => Err(Errno::Badf),
        (_, Place::At(_)) => Err(descriptors.file(fd).err().unwrap_or(Errno::Badf)),
    }
}

fn read_into(
    guest: &mut Guest<'_>,
    fd: u32,
    place: Place,
    (buffers, count): (u32, u32),
    read: u32,
) -> Result<(), Errno> {
    let Guest { ctx, memory } = guest;
    memory.range(read, 4)?;
    let buffers = memory.buffers(buffers, count)?;
    let mut room = room(&buffers);
    if room.is_empty() {
        // Reading nothing is refused where reading would be.
        read_some(&mut ctx.descriptors, fd, place, &mut [], 0)?;
    }
    let total = each(&buffers, |address, bytes, done| {
        let target = &mut room[..bytes];
        let found = read_some(&mut ctx.descriptors, fd, place, target, done)?;
        memory.write(address, &target[..found])?;
        Ok(found)
    })?;
    memory.write_u32(read, total)
}

fn write_from(
    guest: &mut Guest<'_>,
    fd: u32,
    place: Place,
    (buffers, count): (u32, u32),
    written: u32,
) -> Result<(), Errno> {
    let Guest { ctx, memory } = guest;
    memory.range(written, 4)?;
    let buffers = memory.buffers(buffers, count)?;
    let mut room = room(&buffers);
    if room.is_empty() {
        // Writing nothing is refused where writing would be.
        write_some(&mut ctx.descriptors, fd, place, &[], 0)?;
    }
    let total = each(&buffers, |address, bytes, done| {
        let source = &mut room[..bytes];
        memory.read(address, source)?;
        write_some(&mut ctx.descriptors, fd, place, source, done)
    })?;
    memory.write_u32(written, total)
}

pub(super) fn read(
    guest: &mut Guest<'_>,
    fd: u32,
    buffers: u32,
    count: u32,
    read: u32,
) -> Result<(), Errno> {
    read_into(guest, fd, Place::Here, (buffers, count), read)
}

pub(super) fn pread(
    guest: &mut Guest<'_>,
    fd: u32,
    buffers: u32,
    count: u32,
    offset: u64,
    read: u32,
) -> Result<(), Errno> {
    read_into(guest, fd, Place::At(offset), (buffers, count), read)
}

pub(super) fn write(
    guest: &mut Guest<'_>,
    fd: u32,
    buffers: u32,
    count: u32,
    written: u32,
) -> Result<(), Errno> {
    write_from(guest, fd, Place::Here, (buffers, count), written)
}

pub(super) fn pwrite(
    guest: &mut Guest<'_>,
    fd: u32,
    buffers: u32,
    count: u32,
    offset: u64,
    written: u32,
) -> Result<(), Errno> {
    write_from(guest, fd, Place::At(offset), (buffers, count), written)
}
