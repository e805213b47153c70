//! What failures have in common: messages whose errors differ only in ids and numbers have one cause.

/// An error with `#` in place of what differs from case to case: numbers and ids.
pub(super) fn fingerprint(error: Option<&str>) -> String {
    let Some(error) = error else { return "no error was reported".into() };
    let mut out = String::new();
    for word in error.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let is_id = word.len() >= 8
            && digits > 0
            && word.bytes().all(|byte| byte.is_ascii_hexdigit() || !byte.is_ascii_alphanumeric());
        if is_id {
            out.push('#');
            continue;
        }
        let mut in_number = false;
        for letter in word.chars() {
            if letter.is_ascii_digit() || (in_number && letter == '.') {
                if !in_number {
                    out.push('#');
                }
                in_number = true;
            } else {
                in_number = false;
                out.push(letter);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_differ_in_ids_and_numbers_are_one_cause() {
        let check = |one: &str, other: &str| assert_eq!(fingerprint(Some(one)), fingerprint(Some(other)));
        check("CUDA out of memory: tried to allocate 2.50 GiB", "CUDA out of memory: tried to allocate 312 GiB");
        check(
            "segment 17 of 7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f timed out after 30s",
            "segment 3 of 01890a5d-ac96-774b-bcce-b302099a8057 timed out after 31s",
        );
        assert_ne!(fingerprint(Some("timeout")), fingerprint(Some("out of memory")));
        assert_eq!(fingerprint(Some("a deadbeef")), "a deadbeef", "a word of hex letters alone is a word");
        assert_eq!(fingerprint(None), "no error was reported");
    }
}
