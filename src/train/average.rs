//! The mean of theta and phi over the last steps, which is steadier than the last step alone (deviation).

/// Running means of two vectors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Average {
    /// How many were taken in.
    pub count: usize,
    /// Mean of theta; empty before the first.
    pub prompt: Vec<f32>,
    /// Mean of phi; empty without psi.
    pub phi: Vec<f32>,
}

impl Average {
    /// Takes in the values after one more step.
    pub fn add(&mut self, prompt: &[f32], phi: &[f32]) {
        if self.count == 0 {
            (self.prompt, self.phi) = (vec![0.0; prompt.len()], vec![0.0; phi.len()]);
        }
        self.count += 1;
        let share = 1.0 / self.count as f32;
        for (mean, values) in [(&mut self.prompt, prompt), (&mut self.phi, phi)] {
            mean.iter_mut().zip(values).for_each(|(mean, x)| *mean += share * (x - *mean));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_all_steps() {
        let mut average = Average::default();
        for (prompt, phi) in [([1.0, 4.0], [0.0]), ([2.0, 4.0], [3.0]), ([6.0, 4.0], [0.0])] {
            average.add(&prompt, &phi);
        }
        assert_eq!((average.count, average.prompt, average.phi), (3, vec![3.0, 4.0], vec![1.0]));
    }
}
