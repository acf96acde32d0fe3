//! The two byte operations that bulk array code calls straight, without leaving compiled code:
//! they neither collect nor fail, so there is nothing to record on the way out.
//!
//! Their callers are the range operations of `windrow-cranelift`, which compare a range with the
//! heap's end before they hand out its addresses.

use std::ptr;

/// Address of the function `(destination, source, bytes)` that copies as if through a buffer.
pub(crate) fn move_bytes_address() -> usize {
    move_bytes as *const () as usize
}

/// Address of the function `(destination, byte, bytes)` that sets bytes.
pub(crate) fn set_bytes_address() -> usize {
    set_bytes as *const () as usize
}

/// # Safety
/// Both ranges are mapped, and no reference to a byte of them exists.
unsafe extern "C" fn move_bytes(destination: *mut u8, source: *const u8, bytes: usize) {
    // SAFETY: the caller's ranges are mapped and unborrowed; bytes have no invalid values.
    unsafe { ptr::copy(source, destination, bytes) }
}

/// # Safety
/// The range is mapped, and no reference to a byte of it exists.
unsafe extern "C" fn set_bytes(destination: *mut u8, byte: u32, bytes: usize) {
    let [byte, ..] = byte.to_le_bytes();
    // SAFETY: the caller's range is mapped and unborrowed; bytes have no invalid values.
    unsafe { ptr::write_bytes(destination, byte, bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_is_as_if_through_a_buffer() {
        let mut bytes = [1_u8, 2, 3, 4, 5];
        // SAFETY: three bytes from the second one on lie within the array, which is not borrowed.
        unsafe { move_bytes(bytes.as_mut_ptr().add(1), bytes.as_ptr(), 3) };
        assert_eq!(bytes, [1, 1, 2, 3, 5]);
    }

    #[test]
    fn setting_takes_the_low_byte() {
        let mut bytes = [0_u8; 3];
        // SAFETY: two bytes lie within the array, which is not borrowed.
        unsafe { set_bytes(bytes.as_mut_ptr(), 0x1ff, 2) };
        assert_eq!(bytes, [0xff, 0xff, 0]);
    }
}
