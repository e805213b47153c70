//! The little XML that is read: the text of elements by name.
//!
//! Only answers of S3, STS and IAM are read with it. They are flat enough for that, hold no comments and no CDATA, and name no
//! element twice in two meanings within the part that is looked at.

/// The inner text of every element of this name, in order, as it stands (elements within included).
pub(crate) fn all<'x>(xml: &'x str, name: &str) -> Vec<&'x str> {
    let mut found = Vec::new();
    let mut rest = xml;
    while let Some((inside, after)) = next(rest, name) {
        found.push(inside);
        rest = after;
    }
    found
}

/// The text of the first element of this name, its entities resolved.
pub(crate) fn first(xml: &str, name: &str) -> Option<String> {
    next(xml, name).map(|(inside, _)| text(inside))
}

/// Text with the five named entities resolved.
pub(crate) fn text(inside: &str) -> String {
    // `&amp;` last: otherwise `&amp;lt;` would become `<`.
    let plain = inside.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    plain.replace("&#39;", "'").replace("&#34;", "\"").replace("&amp;", "&")
}

/// Text made safe to stand in an element.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn next<'x>(xml: &'x str, name: &str) -> Option<(&'x str, &'x str)> {
    let mut from = 0;
    loop {
        let at = from + xml[from..].find('<')?;
        let tag = &xml[at + 1..];
        from = at + 1;
        let Some(after_name) = tag.strip_prefix(name) else { continue };
        if !after_name.starts_with(['>', ' ', '/']) {
            continue;
        }
        let (attributes, inside) = after_name.split_once('>')?;
        if attributes.ends_with('/') {
            return Some(("", inside));
        }
        let end = inside.find(&format!("</{name}>"))?;
        return Some((&inside[..end], &inside[end + name.len() + 3..]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_name() {
        let xml =
            "<?xml version=\"1.0\"?><L xmlns=\"u\"><Key>a&amp;lt;b</Key><KeyCount>2</KeyCount><Key>c</Key><Empty/></L>";
        assert_eq!(all(xml, "Key"), ["a&amp;lt;b", "c"]);
        assert_eq!(first(xml, "Key").unwrap(), "a&lt;b");
        assert_eq!(first(xml, "Empty").unwrap(), "");
        assert_eq!(first(xml, "Missing"), None);
        assert_eq!(all("<a><b>1</b></a><a><b>2</b></a>", "a"), ["<b>1</b>", "<b>2</b>"]);
        assert_eq!(text(&escape("<a & 'b'>")), "<a & 'b'>");
    }
}
