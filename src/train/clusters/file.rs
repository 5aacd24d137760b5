//! Clusters in a safetensors file of the work folder.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::{Found, REPRESENTATIVES};
use crate::backbone::mapped;
use crate::container::atomic_write;
use crate::error::{Error, Result, Status};

/// Fills the places of representatives that a small cluster lacks.
const NONE: u32 = u32::MAX;
/// Room for the header.
const HEADER: usize = 4096;

pub(super) fn write(path: &Path, found: &Found) -> Result<()> {
    let clusters = found.nearest.len();
    let centers: Vec<u8> = found.centers.iter().flat_map(|x| x.to_le_bytes()).collect();
    let assignment: Vec<u8> = found.assignment.iter().flat_map(|x| x.to_le_bytes()).collect();
    let padded = |list: &Vec<u32>| list.iter().copied().chain([NONE; REPRESENTATIVES]).take(REPRESENTATIVES).collect();
    let nearest: Vec<u8> =
        found.nearest.iter().flat_map(|list| -> Vec<u32> { padded(list) }).flat_map(u32::to_le_bytes).collect();
    let tensors = [
        ("assignment", Dtype::U32, vec![found.assignment.len()], &assignment),
        ("centers", Dtype::F32, vec![clusters, found.width], &centers),
        ("nearest", Dtype::U32, vec![clusters, REPRESENTATIVES], &nearest),
    ];
    let broken = |e| Error::new(Status::Internal, format!("clusters: {e}"));
    let mut views = Vec::with_capacity(tensors.len());
    for (name, dtype, shape, bytes) in &tensors {
        views.push((*name, TensorView::new(*dtype, shape.clone(), bytes).map_err(broken)?));
    }
    atomic_write::replace(path, &safetensors::serialize(views, None).map_err(broken)?)
}

pub(super) fn read(path: &Path, clusters: usize, width: usize, sentences: usize) -> Result<Found> {
    let corrupt = |what: &str| Error::new(Status::CorruptFile, format!("{}: {what}; delete it", path.display()));
    let most = 4 * (sentences + clusters * (width + REPRESENTATIVES)) + HEADER;
    let bytes = mapped::read(path, most)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| corrupt(&e.to_string()))?;
    let find = |name: &str, dtype: Dtype, shape: &[usize]| match tensors.tensor(name) {
        Ok(tensor) if tensor.dtype() == dtype && tensor.shape() == shape => Ok(tensor.data().to_vec()),
        _ => Err(corrupt(&format!("no tensor {name:?} of {shape:?}"))),
    };
    let numbers = |bytes: Vec<u8>| -> Vec<u32> {
        bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    let centers = numbers(find("centers", Dtype::F32, &[clusters, width])?).into_iter().map(f32::from_bits).collect();
    let assignment = numbers(find("assignment", Dtype::U32, &[sentences])?);
    let nearest = numbers(find("nearest", Dtype::U32, &[clusters, REPRESENTATIVES])?);
    let in_range = assignment.iter().all(|&cluster| (cluster as usize) < clusters)
        && nearest.iter().all(|&row| row == NONE || (row as usize) < sentences);
    if !in_range {
        return Err(corrupt("a number is out of range"));
    }
    let nearest = nearest
        .chunks_exact(REPRESENTATIVES)
        .map(|list| list.iter().copied().take_while(|&row| row != NONE).collect())
        .collect();
    Ok(Found { width, centers, assignment, nearest })
}
