//! SentencePiece byte-pair encoding: neighbours merge by the score of what they become, highest first.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

/// A vocabulary with scores, ready to encode.
pub(super) struct SentencePieces {
    pieces: HashMap<String, Scored>,
    bytes: Box<[Option<u32>; 256]>,
    unknown: Option<u32>,
}

#[derive(Clone, Copy)]
struct Scored {
    id: u32,
    score: f32,
}

/// A run of characters of the text; `length` 0 once it went into its left neighbour.
struct Symbol {
    start: usize,
    length: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

/// Two neighbours that could merge into a token of `length` bytes.
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    length: usize,
}

impl SentencePieces {
    /// From the tokens text can become (text, id, score), the tokens of single bytes, and the one for anything else.
    pub(super) fn new<'a>(
        pieces: impl IntoIterator<Item = (&'a str, u32, f32)>,
        bytes: Box<[Option<u32>; 256]>,
        unknown: Option<u32>,
    ) -> Self {
        let pieces = pieces.into_iter().map(|(text, id, score)| (text.to_owned(), Scored { id, score })).collect();
        Self { pieces, bytes, unknown }
    }

    /// Ids of pieces, ascending.
    pub(super) fn plain_ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.pieces.values().map(|piece| piece.id).collect();
        ids.sort_unstable();
        ids
    }

    /// The largest id that text can become.
    pub(super) fn largest_id(&self) -> Option<u32> {
        let pieces = self.pieces.values().map(|piece| piece.id);
        pieces.chain(self.bytes.iter().flatten().copied()).chain(self.unknown).max()
    }

    /// Appends the ids of `text`. Characters without a token become byte tokens, else the unknown token, else nothing.
    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) {
        // Tokens write a space as this mark.
        let text = text.replace(' ', "▁");
        let mut symbols = symbols_of(&text);
        let mut queue: BinaryHeap<Pair> =
            (1..symbols.len()).filter_map(|right| self.pair(&text, &symbols, right - 1, right)).collect();
        while let Some(pair) = queue.pop() {
            let (left, right) = (&symbols[pair.left], &symbols[pair.right]);
            if left.length == 0 || right.length == 0 || left.length + right.length != pair.length {
                continue;
            }
            let next = right.next;
            symbols[pair.right].length = 0;
            symbols[pair.left].length = pair.length;
            symbols[pair.left].next = next;
            if let Some(next) = next {
                symbols[next].previous = Some(pair.left);
                queue.extend(self.pair(&text, &symbols, pair.left, next));
            }
            if let Some(previous) = symbols[pair.left].previous {
                queue.extend(self.pair(&text, &symbols, previous, pair.left));
            }
        }
        for symbol in symbols.iter().filter(|symbol| symbol.length > 0) {
            self.push(&text[symbol.start..symbol.start + symbol.length], ids);
        }
    }

    fn pair(&self, text: &str, symbols: &[Symbol], left: usize, right: usize) -> Option<Pair> {
        let start = symbols[left].start;
        let length = symbols[left].length + symbols[right].length;
        let token = self.pieces.get(&text[start..start + length])?;
        Some(Pair { score: token.score, left, right, length })
    }

    fn push(&self, piece: &str, ids: &mut Vec<u32>) {
        match self.pieces.get(piece) {
            Some(token) => ids.push(token.id),
            None => ids.extend(piece.bytes().filter_map(|byte| self.bytes[byte as usize].or(self.unknown))),
        }
    }
}

fn symbols_of(text: &str) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = Vec::with_capacity(text.len());
    for (index, (start, character)) in text.char_indices().enumerate() {
        let previous = index.checked_sub(1);
        symbols.push(Symbol { start, length: character.len_utf8(), previous, next: Some(index + 1) });
    }
    if let Some(last) = symbols.last_mut() {
        last.next = None;
    }
    symbols
}

impl Ord for Pair {
    /// Higher scores first, then further left.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

/// The byte that a token like `<0x0A>` stands for.
pub(super) fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        u8::from_str_radix(digits, 16).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> SentencePieces {
        let pieces =
            [("▁", 10, -9.0), ("a", 11, -8.0), ("b", 12, -8.0), ("ab", 13, -2.0), ("▁a", 14, -1.0), ("bb", 15, -2.0)];
        let mut bytes = Box::new([None; 256]);
        for byte in 0xC3..=0xC4 {
            bytes[byte as usize] = Some(byte);
        }
        SentencePieces::new(pieces, bytes, Some(0))
    }

    fn encode(text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        model().encode(text, &mut ids);
        ids
    }

    #[test]
    fn the_best_score_merges_first_and_ties_go_left() {
        assert_eq!(encode("ab"), [13]);
        assert_eq!(encode(" ab"), [14, 12]);
        assert_eq!(encode("abb"), [13, 12]);
        assert_eq!(encode("bbb"), [15, 12]);
        assert_eq!(encode(""), [0u32; 0]);
    }

    #[test]
    fn characters_without_a_token_become_bytes_then_unknown() {
        assert_eq!(encode("é"), [0xC3, 0]);
        assert_eq!(encode("c"), [0]);
    }

    #[test]
    fn byte_tokens_are_recognised() {
        assert_eq!(byte_of("<0x0A>"), Some(10));
        assert_eq!(byte_of("<0xff>"), Some(255));
        for text in ["<0x0>", "<0x+1>", "0x0A", "<0x00A>", "é"] {
            assert_eq!(byte_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_long_word_takes_no_quadratic_time() {
        let start = std::time::Instant::now();
        assert_eq!(encode(&"b".repeat(400_000)).len(), 200_000);
        assert!(start.elapsed().as_secs() < 5);
    }
}
