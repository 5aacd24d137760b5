//! The labels' verbalizers as a token trie: shared leading tokens are computed once.

use std::collections::HashMap;
use std::sync::Arc;

/// A trie over the labels' token ids. Node 0 is the root (the text's last row); every other inner node is one row to
/// compute after the text. Leaves are not rows: their token is only read from the logits of their parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelTrie {
    /// Token of each computed row (inner node except the root), in an order where parents come first.
    pub tokens: Vec<u32>,
    /// Parent row of each computed row: `None` = the root.
    pub parents: Vec<Option<usize>>,
    /// For each label the (row, token) pairs whose log-probabilities make its score; row `None` = the root.
    pub labels: Vec<Vec<(Option<usize>, u32)>>,
}

impl LabelTrie {
    /// The trie of the labels' token ids. A label that is a prefix of another is fine; equal labels are refused by the task.
    pub fn new(labels: &[Vec<u32>]) -> Self {
        let mut trie = Self { tokens: Vec::new(), parents: Vec::new(), labels: Vec::with_capacity(labels.len()) };
        let mut rows: HashMap<(Option<usize>, u32), usize> = HashMap::new();
        for label in labels {
            let mut path = Vec::with_capacity(label.len());
            let mut row = None;
            for (index, token) in label.iter().enumerate() {
                path.push((row, *token));
                if index + 1 < label.len() {
                    row = Some(*rows.entry((row, *token)).or_insert_with(|| trie.add_row(row, *token)));
                }
            }
            trie.labels.push(path);
        }
        trie
    }

    /// For each token of a label the tokens that labels with the same beginning go on with, itself included, ascending:
    /// what tells the label apart. A label that is the beginning of another is not told apart from that one.
    pub fn rivals(&self, label: usize) -> Vec<Arc<[u32]>> {
        let rivals = |row: Option<usize>| {
            let mut tokens: Vec<u32> =
                self.labels.iter().flatten().filter(|(other, _)| *other == row).map(|&(_, token)| token).collect();
            tokens.sort_unstable();
            tokens.dedup();
            tokens.into()
        };
        self.labels[label].iter().map(|&(row, _)| rivals(row)).collect()
    }

    /// Whether every label is one token: the text's last row alone scores them all.
    pub fn is_single_token(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Rows that scoring adds to a text at most, in any backbone: every label read by itself, with a row before it; none
    /// where the text's last row scores all.
    pub fn most_rows(&self) -> usize {
        if self.is_single_token() { 0 } else { self.labels.iter().map(|label| label.len() + 1).sum() }
    }

    fn add_row(&mut self, parent: Option<usize>, token: u32) -> usize {
        self.tokens.push(token);
        self.parents.push(parent);
        self.tokens.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_leading_tokens_are_one_row() {
        let trie = LabelTrie::new(&[vec![7, 8, 9], vec![7, 8, 10], vec![7, 11], vec![12]]);
        assert_eq!(trie.tokens, [7, 8]);
        assert_eq!(trie.parents, [None, Some(0)]);
        assert_eq!(trie.labels[0], [(None, 7), (Some(0), 8), (Some(1), 9)]);
        assert_eq!(trie.labels[1], [(None, 7), (Some(0), 8), (Some(1), 10)]);
        assert_eq!(trie.labels[2], [(None, 7), (Some(0), 11)]);
        assert_eq!(trie.labels[3], [(None, 12)]);
        assert!(!trie.is_single_token());
    }

    #[test]
    fn a_token_is_told_apart_from_those_that_follow_the_same_beginning() {
        let trie = LabelTrie::new(&[vec![7, 8, 9], vec![7, 8, 10], vec![7, 11], vec![12]]);
        let rivals = |label| trie.rivals(label).iter().map(|tokens| tokens.to_vec()).collect::<Vec<_>>();
        assert_eq!(rivals(0), [vec![7, 12], vec![8, 11], vec![9, 10]]);
        assert_eq!(rivals(2), [vec![7, 12], vec![8, 11]]);
        assert_eq!(rivals(3), [vec![7, 12]]);
    }

    #[test]
    fn a_label_may_be_a_prefix_of_another() {
        for labels in [[vec![1], vec![1, 2]], [vec![1, 2], vec![1]]] {
            let trie = LabelTrie::new(&labels);
            assert_eq!((trie.tokens.as_slice(), trie.parents.as_slice()), (&[1][..], &[None][..]));
            assert_eq!(trie.labels[labels.iter().position(|l| l.len() == 1).unwrap()], [(None, 1)]);
            assert_eq!(trie.labels[labels.iter().position(|l| l.len() == 2).unwrap()], [(None, 1), (Some(0), 2)]);
        }
    }

    #[test]
    fn the_same_token_under_other_parents_is_another_row() {
        let trie = LabelTrie::new(&[vec![1, 1, 1], vec![2, 1, 3]]);
        assert_eq!(trie.tokens, [1, 1, 2, 1]);
        assert_eq!(trie.parents, [None, Some(0), None, Some(2)]);
        assert!(trie.parents.iter().enumerate().all(|(row, parent)| parent.is_none_or(|parent| parent < row)));
    }

    #[test]
    fn single_tokens_need_no_rows() {
        let trie = LabelTrie::new(&[vec![5], vec![6]]);
        assert!(trie.is_single_token());
        assert_eq!(trie.labels, [[(None, 5)], [(None, 6)]]);
    }
}
