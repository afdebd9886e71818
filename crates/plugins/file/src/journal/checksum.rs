//! CRC-32, which finds every burst of flipped bits up to its own length.

/// The checksum of some octets, as Ethernet and ZIP have it.
pub(super) fn checksum(octets: &[u8]) -> u32 {
    !octets.iter().fold(!0, |sum, octet| {
        let at = (sum ^ u32::from(*octet)) & 0xFF;
        sum >> 8 ^ TABLE.get(at as usize).copied().unwrap_or_default()
    })
}

/// What each octet does to the sum: one step instead of eight.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let (mut sum, mut bit) = (octet as u32, 0);
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
            bit += 1;
        }
        table[octet] = sum;
        octet += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_that_of_the_standard() {
        assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
        assert_eq!(checksum(b""), 0);
    }
}
