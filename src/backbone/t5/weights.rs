//! The weights of a T5, read from a Hugging Face folder's safetensors.

use super::config::{FeedForward, Head, T5Config};
use crate::backbone::tensors::{Keep, TensorReader, TensorStore};
use crate::backbone::weights::FrozenMatrix;
use crate::error::Result;
use crate::runtime::Control;

/// One attention sublayer.
pub(super) struct AttentionWeights {
    pub norm: Vec<f32>,
    pub query: FrozenMatrix,
    pub key: FrozenMatrix,
    pub value: FrozenMatrix,
    pub output: FrozenMatrix,
}

/// One feed-forward sublayer.
pub(super) struct FeedForwardWeights {
    pub norm: Vec<f32>,
    /// What the activation is applied to.
    pub gate: FrozenMatrix,
    /// What the gate multiplies; `None` in v1.0.
    pub up: Option<FrozenMatrix>,
    pub down: FrozenMatrix,
}

/// A layer of the encoder.
pub(super) struct EncoderLayer {
    pub attention: AttentionWeights,
    pub feed_forward: FeedForwardWeights,
}

/// A layer of the decoder.
pub(super) struct DecoderLayer {
    pub attention: AttentionWeights,
    pub cross: AttentionWeights,
    pub feed_forward: FeedForwardWeights,
}

/// The encoder or the decoder.
pub(super) struct StackWeights<L> {
    /// Relative position biases, buckets x heads; layer 0 holds them for all.
    pub biases: Vec<f32>,
    pub layers: Vec<L>,
    pub final_norm: Vec<f32>,
}

/// All weights.
pub(super) struct T5Weights {
    /// Token embeddings of encoder and decoder, (V, d).
    pub embedding: FrozenMatrix,
    pub encoder: StackWeights<EncoderLayer>,
    pub decoder: StackWeights<DecoderLayer>,
    /// The head (V, d) when it is not the embedding.
    pub head: Option<FrozenMatrix>,
    /// SHA-256 (hex) of formats and samples.
    pub digest: String,
}

/// Names under which a file may keep the embedding: writers drop the copies of a shared tensor, whichever those are.
const EMBEDDINGS: [&str; 3] = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];
const HEAD: &str = "lm_head.weight";
/// Old checkpoints hold this table though cross-attention has no positions.
const UNUSED: &str = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";

impl T5Weights {
    /// Reads the whole network, of which no tensor may be missing, shaped otherwise, not finite or left over.
    ///
    /// Errors: `CorruptFile` names tensor and shapes, `NotFinite` the tensor, `Unsupported` a format or a tensor that
    /// a plain T5 does not have.
    pub(super) fn read(
        store: &dyn TensorStore,
        config: &T5Config,
        keep: Keep,
        control: &mut Control<'_>,
    ) -> Result<Self> {
        let mut reader = TensorReader::new(store, keep, control);
        let (rows, width) = (config.vocabulary, config.width);
        let stored = store.names();
        let tied = match config.head {
            Head::Tied => true,
            Head::Separate => false,
            Head::AsStored => !stored.contains(&HEAD),
        };
        let candidates = EMBEDDINGS.iter().chain(tied.then_some(&HEAD));
        let name = candidates.copied().find(|name| stored.contains(name)).unwrap_or(EMBEDDINGS[0]);
        let embedding = reader.matrix(name, rows, width)?;
        let encoder = stack(&mut reader, config, "encoder", config.encoder_layers, encoder_layer)?;
        let decoder = stack(&mut reader, config, "decoder", config.decoder_layers, decoder_layer)?;
        let head = if tied { None } else { Some(reader.matrix(HEAD, rows, width)?) };
        for name in EMBEDDINGS.into_iter().chain([HEAD, UNUSED]) {
            reader.ignore(name);
        }
        let digest = reader.finish("a plain T5")?;
        Ok(Self { embedding, encoder, decoder, head, digest })
    }
}

fn stack<L>(
    reader: &mut TensorReader<'_, '_>,
    config: &T5Config,
    name: &str,
    count: usize,
    layer: impl Fn(&mut TensorReader<'_, '_>, &T5Config, &str) -> Result<L>,
) -> Result<StackWeights<L>> {
    let table = format!("{name}.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
    let matrix = reader.matrix(&table, config.buckets, config.heads)?;
    let mut biases = vec![0.0; config.buckets * config.heads];
    biases.chunks_exact_mut(config.heads).enumerate().for_each(|(row, out)| matrix.expand(row, 0, out));
    let mut layers = Vec::new();
    for i in 0..count {
        layers.push(layer(reader, config, &format!("{name}.block.{i}.layer"))?);
    }
    let final_norm = reader.vector(&format!("{name}.final_layer_norm.weight"), config.width)?;
    Ok(StackWeights { biases, layers, final_norm })
}

fn encoder_layer(reader: &mut TensorReader<'_, '_>, config: &T5Config, layer: &str) -> Result<EncoderLayer> {
    Ok(EncoderLayer {
        attention: attention(reader, config, &format!("{layer}.0"), "SelfAttention")?,
        feed_forward: feed_forward(reader, config, &format!("{layer}.1"))?,
    })
}

fn decoder_layer(reader: &mut TensorReader<'_, '_>, config: &T5Config, layer: &str) -> Result<DecoderLayer> {
    Ok(DecoderLayer {
        attention: attention(reader, config, &format!("{layer}.0"), "SelfAttention")?,
        cross: attention(reader, config, &format!("{layer}.1"), "EncDecAttention")?,
        feed_forward: feed_forward(reader, config, &format!("{layer}.2"))?,
    })
}

fn attention(reader: &mut TensorReader<'_, '_>, config: &T5Config, part: &str, kind: &str) -> Result<AttentionWeights> {
    let (inner, width) = (config.inner_width(), config.width);
    let name = |matrix: &str| format!("{part}.{kind}.{matrix}.weight");
    Ok(AttentionWeights {
        norm: reader.vector(&format!("{part}.layer_norm.weight"), width)?,
        query: reader.matrix(&name("q"), inner, width)?,
        key: reader.matrix(&name("k"), inner, width)?,
        value: reader.matrix(&name("v"), inner, width)?,
        output: reader.matrix(&name("o"), width, inner)?,
    })
}

fn feed_forward(reader: &mut TensorReader<'_, '_>, config: &T5Config, part: &str) -> Result<FeedForwardWeights> {
    let (inner, width) = (config.feed_forward_width, config.width);
    let name = |matrix: &str| format!("{part}.DenseReluDense.{matrix}.weight");
    let norm = reader.vector(&format!("{part}.layer_norm.weight"), width)?;
    let (gate, up) = match config.feed_forward {
        FeedForward::Relu => (reader.matrix(&name("wi"), inner, width)?, None),
        FeedForward::GatedGelu => {
            let gate = reader.matrix(&name("wi_0"), inner, width)?;
            (gate, Some(reader.matrix(&name("wi_1"), inner, width)?))
        }
    };
    Ok(FeedForwardWeights { norm, gate, up, down: reader.matrix(&name("wo"), width, inner)? })
}
