//! From words to token ids: the tokenizer, the template and the verbalizers.

mod byte_pairs;
mod charsmap;
mod gguf_vocabulary;
mod json_steps;
mod pre_tokenizer;
mod sentence_pieces;
mod split_pattern;
mod template;
mod tokenizer;
mod tokenizer_json;
mod unigrams;
mod user_tokens;
mod vocabulary_digest;

pub use gguf_vocabulary::GgufVocabulary;
pub use template::Template;
pub use tokenizer::Tokenizer;
