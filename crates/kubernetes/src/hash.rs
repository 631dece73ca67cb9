//! The hash that Kubernetes names pod templates by.

/// FNV-1a in 32 bits.
pub(crate) fn fnv32a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// FNV-1a in 64 bits.
pub(crate) fn fnv64a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A number in letters that spell no words, as Kubernetes does it.
pub(crate) fn in_letters(number: u32) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let digits = number.to_string();
    let letter = |digit: u8| LETTERS.get(usize::from(digit) % LETTERS.len());
    digits
        .bytes()
        .filter_map(letter)
        .map(|letter| char::from(*letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv32a(b""), 0x811c_9dc5);
        assert_eq!(fnv32a(b"a"), 0xe40c_292c);
        assert_eq!(fnv32a(b"foobar"), 0xbf9c_f968);
        assert_eq!(fnv64a(b"foobar"), 0x8594_4171_f739_67e8);
    }
    #[test]
    fn a_number_has_as_many_letters_as_digits() {
        let text = in_letters(4_026_531_840);
        assert_eq!(text.len(), 10);
        assert!(!text.contains(['a', 'e', 'i', 'o', 'u', '0', '1', '3']));
    }
}
