//! Tokens that a tokenizer cuts out of text before anything else ("user defined" tokens, not control tokens).

use std::collections::HashMap;

/// A cut of the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A user token.
    Token(u32),
    /// Text between user tokens, not empty.
    Text(&'a str),
}

/// The user tokens of a vocabulary; most have none.
#[derive(Default)]
pub(super) struct UserTokens {
    ids: HashMap<String, u32>,
    /// Lengths in bytes that occur, longest first.
    lengths: Vec<usize>,
    /// Whether a token starts with this byte.
    starts: Vec<bool>,
}

impl UserTokens {
    /// From the tokens' texts and ids; empty texts are left out.
    pub(super) fn new<'a>(tokens: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let mut ids = HashMap::new();
        let mut starts = vec![false; 256];
        for (text, id) in tokens {
            if let Some(first) = text.bytes().next() {
                starts[first as usize] = true;
                ids.insert(text.to_owned(), id);
            }
        }
        let mut lengths: Vec<usize> = ids.keys().map(String::len).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        Self { ids, lengths, starts }
    }

    /// The id of the token `text`.
    pub(super) fn id(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    /// The largest id of a token.
    pub(super) fn largest_id(&self) -> Option<u32> {
        self.ids.values().copied().max()
    }

    /// Cuts `text` at user tokens: leftmost first, then longest.
    pub(super) fn split<'a>(&self, text: &'a str) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let (mut from, mut at) = (0, 0);
        while at < text.len() && !self.ids.is_empty() {
            match self.token_at(text, at) {
                Some((id, length)) => {
                    if from < at {
                        pieces.push(Piece::Text(&text[from..at]));
                    }
                    pieces.push(Piece::Token(id));
                    at += length;
                    from = at;
                }
                None => at += 1,
            }
        }
        if from < text.len() {
            pieces.push(Piece::Text(&text[from..]));
        }
        pieces
    }

    fn token_at(&self, text: &str, at: usize) -> Option<(u32, usize)> {
        if !self.starts[text.as_bytes()[at] as usize] {
            return None;
        }
        let found = |length: &usize| Some((*self.ids.get(text.get(at..at + length)?)?, *length));
        self.lengths.iter().find_map(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_token_wins_and_text_between_stays() {
        let tokens = UserTokens::new([("<a>", 1), ("<a><b>", 2), ("", 3), ("é", 4)]);
        assert_eq!(
            tokens.split("x<a>y<a><b>é<a"),
            [Piece::Text("x"), Piece::Token(1), Piece::Text("y"), Piece::Token(2), Piece::Token(4), Piece::Text("<a")]
        );
        assert_eq!(tokens.split(""), []);
        assert_eq!(UserTokens::default().split("é"), [Piece::Text("é")]);
    }
}
