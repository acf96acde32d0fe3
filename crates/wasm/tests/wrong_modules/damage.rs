//! Ways to damage a binary.

use crate::random::Random;

/// Bytes of the magic number and the version, which are left alone: damage to them is dull.
const PREAMBLE: usize = 8;

/// Numbers in LEB128 that readers get wrong: huge, overlong, too long.
const NUMBERS: [&[u8]; 6] = [
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0x07],
    &[0x80, 0x80, 0x80, 0x80, 0x08],
    &[0x80, 0x80, 0x80, 0x00],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
];

/// A damaged version of `original`; parts of `other` may end up in it.
pub(crate) fn damaged(random: &mut Random, original: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    // Half of them by little, so that many stay valid.
    if random.below(2) == 0 {
        flip(random, &mut bytes, 1);
    } else {
        for _ in 0..=random.below(3) {
            damage(random, &mut bytes, other);
        }
    }
    bytes
}

fn damage(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = position(random, bytes);
    match random.below(10) {
        0 => bytes.truncate(at),
        1..=3 => flip(random, bytes, 4),
        4 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.byte();
            }
        }
        5 => {
            let count = 1 + random.below(8);
            let inserted = random.bytes(count);
            bytes.splice(at..at, inserted);
        }
        6 => {
            let end = (at + 1 + random.below(16)).min(bytes.len());
            bytes.drain(at..end);
        }
        7 => {
            let end = (at + random.below(2)).min(bytes.len());
            bytes.splice(at..end, random.pick(&NUMBERS).iter().copied());
        }
        8 => {
            let from = position(random, other);
            let to = (from + 1 + random.below(32)).min(other.len());
            let end = (at + (to - from)).min(bytes.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        _ => *bytes = shuffled(random, bytes, other),
    }
}

fn position(random: &mut Random, bytes: &[u8]) -> usize {
    match bytes.len().checked_sub(PREAMBLE) {
        Some(body) => PREAMBLE + random.below(body),
        None => random.below(bytes.len()),
    }
}

/// Flips a bit in up to `most` bytes.
fn flip(random: &mut Random, bytes: &mut [u8], most: usize) {
    for _ in 0..=random.below(most) {
        let at = position(random, bytes);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
    }
}

/// The sections in another order, one of them twice, missing, or another module's.
fn shuffled(random: &mut Random, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut parts = sections(bytes);
    let foreign = sections(other);
    if parts.is_empty() {
        return bytes.to_vec();
    }
    let (a, b) = (random.below(parts.len()), random.below(parts.len()));
    match random.below(4) {
        0 => parts.swap(a, b),
        1 => parts.insert(a, parts[b]),
        2 => drop(parts.remove(a)),
        _ => {
            // Of the same kind, if there is one: that may well fit.
            let kind = parts[a].first();
            let like = foreign.iter().find(|part| part.first() == kind);
            if let Some(part) = like.or(foreign.first()) {
                parts[a] = part;
            }
        }
    }
    let preamble = &bytes[..PREAMBLE.min(bytes.len())];
    [&[preamble], &parts[..]].concat().concat()
}

/// The sections of a binary, headers included, as far as they can be told apart.
fn sections(bytes: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes.get(PREAMBLE..).unwrap_or_default();
    while let Some(len) = section_len(rest) {
        let (part, after) = rest.split_at(len);
        parts.push(part);
        rest = after;
    }
    parts
}

fn section_len(bytes: &[u8]) -> Option<usize> {
    let (mut len, mut shift) = (0_usize, 0);
    for (at, byte) in bytes.iter().enumerate().skip(1).take(4) {
        len |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            let end = at + 1 + len;
            return (end <= bytes.len()).then_some(end);
        }
    }
    None
}
