//! The authors' checkpoints as a bundle: `prompt_*.pt`, a plain tensor, and `gradient_edit_*.pt`, the state dict of psi
//! (method sections 5 and 8).

use std::path::Path;

use serde_json::json;

use super::torch_file::{self, Tensor, TorchFile};
use crate::adapt::AnswerLoss;
use crate::bundle::{Advice, Bundle, Origin, Regularization};
use crate::error::{Result, Status, fail};
use crate::gradient_regularizer::{GradientRegularizer, Rescaling, Shape};
use crate::limits::MAX_REGULARIZER_LAYERS;
use crate::soft_prompt::SoftPrompt;

/// As published for adaptation (method section 7).
const ADAPTATION: Advice =
    Advice { steps: 200, learning_rate: 0.1, batch_size: 16, answer_loss: AnswerLoss::Vocabulary };
/// Running statistics of the state dict that are never used.
const UNUSED: [&str; 4] = ["grad_mean", "grad_std", "grad_s", "k"];

/// The bundle of a published prompt and, where there is one, of its regularizer, which adaptation rescales by the norm of
/// the whole gradient, as published. Which model it belongs to is not in the files.
///
/// Errors: those of [`torch_file::read`]; `Unsupported` for a file of another content; `CorruptFile` for tensors whose
/// shapes do not fit together; `NotFinite`.
pub fn import_checkpoint(prompt: &Path, regularizer: Option<&Path>) -> Result<Bundle> {
    let theta = match torch_file::read(prompt)? {
        TorchFile::Tensor(Tensor { shape, values }) => match *shape {
            [rows, width] => SoftPrompt::new(rows, width, values).map_err(|e| e.context(prompt.display()))?,
            _ => return unlike_a_prompt(prompt, &format!("a tensor of shape {shape:?}")),
        },
        TorchFile::Named(tensors) => return unlike_a_prompt(prompt, &format!("a dictionary of {}", tensors.len())),
    };
    let regularization = match regularizer {
        Some(path) => {
            let regularizer = read_regularizer(path).map_err(|e| e.context(path.display()))?;
            Some(Regularization { regularizer, rescaling: Rescaling::WholeL2 })
        }
        None => None,
    };
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let recipe = json!({ "imported_from": { "prompt": name(prompt), "regularizer": regularizer.and_then(name) } });
    let origin = Origin { adaptation: Some(ADAPTATION), recipe, ..Origin::default() };
    Bundle::new(theta, regularization, origin)
}

fn unlike_a_prompt<T>(path: &Path, found: &str) -> Result<T> {
    let place = path.display();
    fail(Status::Unsupported, format!("{place}: one tensor of two dimensions (rows, width) is needed, {found} came"))
}

fn read_regularizer(path: &Path) -> Result<GradientRegularizer> {
    let TorchFile::Named(tensors) = torch_file::read(path)? else {
        return fail(Status::Unsupported, "the state dict of a gradient regularizer is needed, one tensor came");
    };
    let find = |name: &str| tensors.iter().find(|(found, _)| found == name).map(|(_, tensor)| tensor);
    let layers = (0..=MAX_REGULARIZER_LAYERS).take_while(|l| find(&format!("mlp.layers.{l}.u")).is_some()).count();
    let Some(&[width, rank]) = find("mlp.layers.0.u").map(|tensor| tensor.shape.as_slice()) else {
        return fail(Status::Unsupported, "no matrix mlp.layers.0.u: this is no state dict of a gradient regularizer");
    };
    let shape = Shape { width, rank, layers };
    shape.validate()?;
    let mut values = Vec::with_capacity(shape.count());
    let wanted = shape.tensors();
    for parameter in &wanted {
        match find(&parameter.name) {
            Some(tensor) if tensor.shape == parameter.shape => values.extend_from_slice(&tensor.values),
            found => {
                let found = found.map_or("nothing".to_owned(), |tensor| format!("{:?}", tensor.shape));
                let (name, shape) = (&parameter.name, &parameter.shape);
                return fail(Status::CorruptFile, format!("{name} must have the shape {shape:?}, {found} came"));
            }
        }
    }
    let known = |name: &str| UNUSED.contains(&name) || wanted.iter().any(|parameter| parameter.name == name);
    if let Some((name, _)) = tensors.iter().find(|(name, _)| !known(name)) {
        let name: String = name.chars().take(60).collect();
        return fail(
            Status::Unsupported,
            format!("{name:?} is no part of a gradient regularizer with {layers} layers"),
        );
    }
    GradientRegularizer::new(shape, values)
}
