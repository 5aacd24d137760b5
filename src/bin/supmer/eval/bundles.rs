//! The bundles of an evaluation, read once each.

use std::sync::Arc;

use supmer::Bundle;

use super::method::{BundleFile, BundleName, Method};
use crate::failure::{Failure, Outcome};

/// The bundle that `method` starts from, where it starts from one.
pub fn load(method: &Method, files: &[BundleFile]) -> Outcome<Option<Arc<Bundle>>> {
    match method.bundle() {
        Some(name) => Ok(Some(Arc::new(Bundle::load(&file(method, name, files)?.path)?))),
        None => Ok(None),
    }
}

/// Refuses methods without their bundle, and bundles of one name.
pub fn check(methods: &[Method], files: &[BundleFile]) -> Outcome<()> {
    for method in methods {
        if let Some(name) = method.bundle() {
            file(method, name, files)?;
        }
    }
    match files.iter().enumerate().find(|(i, file)| files[..*i].iter().any(|other| other.name == file.name)) {
        Some((_, BundleFile { name: Some(name), .. })) => {
            Err(Failure::Usage(format!("--bundle names {name} twice; give every bundle its own name")))
        }
        Some(_) => Err(Failure::Usage("--bundle: only one bundle can do without a name; write NAME=FILE".to_owned())),
        None => Ok(()),
    }
}

fn file<'a>(method: &Method, name: &BundleName, files: &'a [BundleFile]) -> Outcome<&'a BundleFile> {
    files.iter().find(|file| file.name == *name).ok_or_else(|| {
        Failure::Usage(match name {
            Some(name) => format!("method {method} needs --bundle {name}=FILE"),
            None => format!("method {method} needs --bundle FILE"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_needs_its_bundle_and_a_name_is_given_once() {
        let methods = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<Method>>();
        let files = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<BundleFile>>();
        assert!(check(&methods(&["supmer", "supmer:b", "zero-shot"]), &files(&["a.supmer", "b=b.supmer"])).is_ok());
        for (names, texts, words) in [
            (["supmer"], ["b=b.supmer"].as_slice(), "needs --bundle FILE"),
            (["supmer:b"], ["b.supmer"].as_slice(), "needs --bundle b=FILE"),
            (["supmer"], ["a.supmer", "b.supmer"].as_slice(), "only one bundle"),
            (["zero-shot"], ["b=a.supmer", "b=b.supmer"].as_slice(), "names b twice"),
        ] {
            let message = check(&methods(&names), &files(texts)).unwrap_err().message().unwrap();
            assert!(message.contains(words), "{message}");
        }
    }
}
