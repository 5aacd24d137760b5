//! What a long call tells its caller between steps.

/// The part of the work a [`Progress`] speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// An optimizer step of adaptation ended.
    Step,
    /// The dev part was scored.
    Dev,
    /// Rows were predicted.
    Predict,
    /// Tensors of a model were read.
    Load,
    /// A step of meta-training ended.
    Train,
    /// Sentences were embedded or clustered for meta-training.
    Prepare,
}

/// One report, always made on the calling thread.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What was just done.
    pub stage: Stage,
    /// How many units (steps, rows, tensors) are done.
    pub done: usize,
    /// How many there will be at most.
    pub total: usize,
    /// The loss of the step or of the dev part, in nats per example; NaN where there is none.
    pub loss: f32,
    /// Dev accuracy in 0..=1; NaN where there is none.
    pub accuracy: f32,
}
