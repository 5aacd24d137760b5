//! Names from files in messages: shortened, with control characters made visible.

/// Longest part of a name that a message shows.
const SHOWN: usize = 80;

/// `text` in quotes, fit for a message of one line.
pub(crate) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("\"{}...\"", text[..end].escape_debug()),
        None => format!("\"{}\"", text.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn shortens_and_escapes() {
        assert_eq!(excerpt("a\nb"), r#""a\nb""#);
        assert_eq!(excerpt(&"é".repeat(100)), format!("\"{}...\"", "é".repeat(80)));
    }
}
