//! What a C caller passes, checked before it is used.
#![expect(
    unsafe_code,
    reason = "reads and writes at the addresses that a C caller passes"
)]

use client::Win32Error;

/// Sets the last error of the calling thread, and says FALSE.
pub(crate) fn fail(error: Win32Error) -> i32 {
    // SAFETY: no preconditions.
    unsafe { windows::Win32::Foundation::SetLastError(windows::Win32::Foundation::WIN32_ERROR(error.0)) };
    0
}

/// Whether something can be written there: not NULL, and aligned.
pub(crate) fn is_place<T>(place: *mut T) -> bool {
    !place.is_null() && place.is_aligned()
}

/// Writes to the caller's variable.
///
/// # Safety
///
/// `place` is writable memory of the caller, or fails [`is_place`].
pub(crate) unsafe fn put<T>(place: *mut T, value: T) {
    if is_place(place) {
        // SAFETY: the caller's promise.
        unsafe { place.write(value) };
    }
}

/// The bytes that a caller passes; `None` for NULL with a length.
///
/// # Safety
///
/// `length` bytes at `bytes` are readable for as long as they are used, or `bytes` is NULL.
pub(crate) unsafe fn bytes<'a>(bytes: *const u8, length: usize) -> Option<&'a [u8]> {
    if length == 0 {
        return Some(&[]);
    }
    if bytes.is_null() || isize::try_from(length).is_err() {
        return None;
    }
    // SAFETY: the caller's promise.
    Some(unsafe { std::slice::from_raw_parts(bytes, length) })
}

/// The text that a caller passes, without the zero that ends it; `None` for NULL, or if none of the first `most`
/// characters is that zero.
///
/// # Safety
///
/// `text` is NULL, or readable up to its zero or for `most` characters.
pub(crate) unsafe fn text<T: Copy + Default + PartialEq>(text: *const T, most: usize) -> Option<Vec<T>> {
    if text.is_null() || !text.is_aligned() {
        return None;
    }
    let mut characters = Vec::new();
    for index in 0..most {
        // SAFETY: every character before this one was not the zero.
        let character = unsafe { text.add(index) };
        // SAFETY: as above.
        let character = unsafe { character.read() };
        if character == T::default() {
            return Some(characters);
        }
        characters.push(character);
    }
    None
}
