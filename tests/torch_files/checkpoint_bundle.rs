//! The authors' files as bundles.

use supmer::interchange::checkpoint::import_checkpoint;
use supmer::interchange::torch_file::{self, TorchFile};
use supmer::{Bundle, Status};

use crate::fixtures::place;

#[test]
fn prompt_and_regularizer_come_over_to_the_exact_floats() {
    let bundle = import_checkpoint(&place("prompt.pt"), None).unwrap();
    let TorchFile::Tensor(tensor) = torch_file::read(place("prompt.pt")).unwrap() else { panic!("a tensor") };
    assert_eq!(bundle.prompt().values(), tensor.values);
    assert!(bundle.regularization().is_none() && bundle.origin().fingerprint.is_none());
    assert_eq!(bundle.advised().steps, 200);

    let TorchFile::Named(tensors) = torch_file::read(place("gradient_edit.pt")).unwrap() else {
        panic!("a state dict")
    };
    let whole = import_checkpoint(&place("prompt.pt"), Some(&place("gradient_edit.pt")));
    let whole = Bundle::from_bytes(&whole.unwrap().to_bytes().unwrap()).unwrap();
    let psi = &whole.regularization().unwrap().regularizer;
    for parameter in psi.shape().tensors() {
        let (_, tensor) = tensors.iter().find(|(name, _)| *name == parameter.name).unwrap();
        assert_eq!(psi.values()[parameter.range], tensor.values, "{}", parameter.name);
    }
}

#[test]
fn files_of_another_content_are_refused_by_name() {
    for (prompt, regularizer, word) in [
        ("gradient_edit.pt", None, "one tensor of two dimensions"),
        ("scalar.pt", None, "one tensor of two dimensions"),
        ("prompt.pt", Some("prompt.pt"), "state dict"),
        ("prompt.pt", Some("views.pt"), "mlp.layers.0.u"),
    ] {
        let regularizer = regularizer.map(place);
        let error = import_checkpoint(&place(prompt), regularizer.as_deref()).unwrap_err();
        assert_eq!(error.status(), Status::Unsupported, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}
