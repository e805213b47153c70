//! Rust's words and signs, without comments and without the contents of literals.

/// The tokens of a source text; `::` is one, each other sign stands alone.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        let rest = &chars[at..];
        at += match rest {
            ['/', '/', ..] => length_until(rest, &['\n']),
            ['/', '*', ..] => length_until(rest, &['*', '/']),
            ['"', ..] => quoted(rest),
            ['\'', ..] => character(rest),
            [first, ..] if first.is_alphanumeric() || *first == '_' => {
                let length = rest.iter().take_while(|next| next.is_alphanumeric() || **next == '_').count();
                let word: String = rest[..length].iter().collect();
                match raw(&word, &rest[length..]) {
                    Some(literal) => length + literal,
                    None => {
                        found.push(word);
                        length
                    }
                }
            }
            [':', ':', ..] => {
                found.push("::".into());
                2
            }
            [sign, ..] => {
                if !sign.is_whitespace() {
                    found.push(sign.to_string());
                }
                1
            }
            [] => 0,
        };
    }
    found
}

/// The length up to and including an end.
fn length_until(text: &[char], end: &[char]) -> usize {
    text.windows(end.len()).position(|window| window == end).map_or(text.len(), |at| at + end.len())
}

fn quoted(text: &[char]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of a character literal; of a lifetime only the apostrophe.
fn character(text: &[char]) -> usize {
    match text {
        [_, '\\', ..] => 3 + length_until(&text[3.min(text.len())..], &['\'']),
        [_, _, '\'', ..] => 3,
        _ => 1,
    }
}

/// The length of what follows `r`, `br` and the like, where that begins a raw string.
fn raw(word: &str, rest: &[char]) -> Option<usize> {
    if !matches!(word, "r" | "br" | "cr") {
        return None;
    }
    let hashes = rest.iter().take_while(|next| **next == '#').count();
    if rest.get(hashes) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = ['"'].into_iter().chain(std::iter::repeat_n('#', hashes)).collect();
    Some(hashes + 1 + length_until(&rest[hashes + 1..], &end))
}
