//! AdamW with bias correction, linear decay and clipping, in the order of operations of `torch`.

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f32 = 1e-8;

/// AdamW (Loshchilov and Hutter, 2019) with betas 0.9 and 0.999, epsilon 1e-8 and decoupled weight decay, as
/// `torch.optim.AdamW` computes it in f32.
#[derive(Clone, Debug)]
pub struct AdamW {
    weight_decay: f64,
    first: Vec<f32>,
    second: Vec<f32>,
    step: i32,
}

impl AdamW {
    /// An optimizer of `len` values whose moments are 0.
    pub fn new(len: usize, weight_decay: f32) -> Self {
        Self { weight_decay: f64::from(weight_decay), first: vec![0.0; len], second: vec![0.0; len], step: 0 }
    }

    /// An optimizer that goes on from `moments` (first and second, equally long) after `step` steps.
    pub fn resume([first, second]: [Vec<f32>; 2], step: usize, weight_decay: f32) -> Self {
        assert_eq!(first.len(), second.len(), "first and second moments belong to the same values");
        let step = i32::try_from(step).unwrap_or(i32::MAX);
        Self { weight_decay: f64::from(weight_decay), first, second, step }
    }

    /// First and second moments, for [`AdamW::resume`].
    pub fn moments(&self) -> [&[f32]; 2] {
        [&self.first, &self.second]
    }

    /// Moves `values` against `gradient` with learning rate `rate`; both have the length given at the start.
    pub fn step(&mut self, values: &mut [f32], gradient: &[f32], rate: f64) {
        self.step += 1;
        let keep = (1.0 - rate * self.weight_decay) as f32;
        let step_size = (rate / (1.0 - BETA1.powi(self.step))) as f32;
        let root_correction = (1.0 - BETA2.powi(self.step)).sqrt() as f32;
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((value, &g), (first, second)) in values.iter_mut().zip(gradient).zip(moments) {
            *first += (1.0 - BETA1) as f32 * (g - *first);
            *second = BETA2 as f32 * *second + (1.0 - BETA2) as f32 * (g * g);
            *value = keep * *value - step_size * (*first / (second.sqrt() / root_correction + EPSILON));
        }
    }
}

/// The learning rate of step `step` (from 0) of `steps`: linear from `first` down to 0.
pub fn linear_decay(first: f32, step: usize, steps: usize) -> f64 {
    f64::from(first) * (1.0 - step as f64 / steps as f64)
}

/// Scales `gradient` so that its Euclidean norm is at most `max_norm` (0 = leave it), as
/// `torch.nn.utils.clip_grad_norm_`, and returns the norm before.
pub fn clip(gradient: &mut [f32], max_norm: f32) -> f32 {
    let norm = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt() as f32;
    let factor = max_norm / (norm + 1e-6);
    if max_norm > 0.0 && factor < 1.0 {
        gradient.iter_mut().for_each(|g| *g *= factor);
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values, norms and rates printed by torch.optim.AdamW(lr=0.3, weight_decay=0.1), LambdaLR(1 - i/5) and
    /// clip_grad_norm_(1.0) on a quadratic whose gradient is below.
    #[test]
    fn five_steps_follow_torch() {
        let expected: [([f32; 4], f32); 5] = [
            ([0.185_000_09, -0.912_500_14, 1.640_000_1, 0.329_099_95], 6.195_159),
            ([-0.006_766_617_3, -0.687_470_9, 1.393_034_5, 0.209_164_47], 16.332_281),
            ([-0.121_104_285, -0.524_863_36, 1.210_014_6, 0.080_086_22], 9.201_951),
            ([-0.161_388_2, -0.410_893_92, 1.086_903_9, -0.001_797_124_7], 2.869_870_4),
            ([-0.169_481_68, -0.355_130_14, 1.025_266_5, -0.013_705_185], 4.716_583),
        ];
        let mut values = [0.5f32, -1.25, 2.0, 0.03];
        let mut optimizer = AdamW::new(4, 0.1);
        for (step, (after, norm)) in expected.iter().enumerate() {
            let slope = [2.0, 4.0, 1.0, 60.0];
            let shift = [0.1, -0.2, 0.3, -4.0];
            let mut gradient: Vec<f32> = (0..4).map(|i| slope[i] * values[i] + shift[i]).collect();
            assert!((clip(&mut gradient, 1.0) - norm).abs() < 1e-5);
            optimizer.step(&mut values, &gradient, linear_decay(0.3, step, 5));
            for (value, want) in values.iter().zip(after) {
                assert!((value - want).abs() < 1e-6, "step {step}: {value} is not {want}");
            }
        }
    }

    #[test]
    fn a_resumed_optimizer_makes_the_same_steps() {
        let (mut values, mut whole) = ([0.5f32, -1.25], AdamW::new(2, 0.1));
        let gradients = [[0.3f32, -2.0], [0.1, 0.7], [-0.4, 0.2]];
        whole.step(&mut values, &gradients[0], 0.3);
        let mut resumed = AdamW::resume(whole.moments().map(<[f32]>::to_vec), 1, 0.1);
        let mut copy = values;
        for gradient in &gradients[1..] {
            whole.step(&mut values, gradient, 0.2);
            resumed.step(&mut copy, gradient, 0.2);
        }
        assert_eq!(values, copy);
    }

    #[test]
    fn clipping_scales_long_gradients_only() {
        let mut long = [3.0f32, -4.0];
        assert_eq!(clip(&mut long, 1.0), 5.0);
        assert!((long[0] - 0.6).abs() < 1e-6 && (long[1] + 0.8).abs() < 1e-6);
        let mut short = [0.3f32, -0.4];
        clip(&mut short, 1.0);
        assert_eq!(short, [0.3, -0.4]);
        let mut free = [30.0f32, -40.0];
        assert_eq!(clip(&mut free, 0.0), 50.0);
        assert_eq!(free, [30.0, -40.0]);
    }

    #[test]
    fn the_rate_falls_to_one_step_above_zero() {
        assert_eq!(linear_decay(0.5, 0, 4), 0.5);
        assert_eq!(linear_decay(0.5, 3, 4), 0.125);
    }
}
