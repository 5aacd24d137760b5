//! Rotary frequencies and their scalings, computed in f32 as the models were trained.

use crate::error::{Result, Status, fail};

/// The settings of Llama 3's scaling: long waves are slowed by `factor`, short ones kept, those between blended.
pub(super) struct Llama3 {
    pub(super) factor: f64,
    pub(super) low_frequency_factor: f64,
    pub(super) high_frequency_factor: f64,
    pub(super) original_context: f64,
}

/// `theta^(-2i / head_width)` for each pair i. Errors: `CorruptFile` unless `theta` (called `name`) is above 0 and finite.
pub(super) fn frequencies(head_width: usize, theta: f64, name: &str) -> Result<Vec<f32>> {
    positive(theta, name)?;
    let exponent = |pair: usize| (2 * pair) as f32 / head_width as f32;
    Ok((0..head_width / 2).map(|pair| 1.0 / theta.powf(exponent(pair).into()) as f32).collect())
}

/// Positions count `1 / factor`.
pub(super) fn linear(frequencies: &mut [f32], factor: f64, name: &str) -> Result<()> {
    positive(factor, name)?;
    frequencies.iter_mut().for_each(|f| *f /= factor as f32);
    Ok(())
}

/// Each pair divided by a number of its own.
pub(super) fn divide(frequencies: &mut [f32], divisors: &[f32], name: &str) -> Result<()> {
    if divisors.len() != frequencies.len() {
        let message = format!("{name}: expected {} values, {} found", frequencies.len(), divisors.len());
        return fail(Status::CorruptFile, message);
    }
    for (frequency, &divisor) in frequencies.iter_mut().zip(divisors) {
        positive(divisor.into(), name)?;
        *frequency /= divisor;
    }
    Ok(())
}

/// Llama 3's scaling, as transformers computes it.
pub(super) fn llama3(frequencies: &mut [f32], scaling: &Llama3) -> Result<()> {
    let (low, high) = (scaling.low_frequency_factor, scaling.high_frequency_factor);
    positive(scaling.factor, "rope factor")?;
    positive(low, "rope low_freq_factor")?;
    positive(scaling.original_context, "rope original_max_position_embeddings")?;
    if !(high.is_finite() && high > low) {
        let message = format!("rope high_freq_factor: expected more than low_freq_factor ({low}), {high} found");
        return fail(Status::CorruptFile, message);
    }
    let longest = (scaling.original_context / low) as f32;
    let shortest = (scaling.original_context / high) as f32;
    for frequency in frequencies {
        let wavelength = std::f32::consts::TAU / *frequency;
        if wavelength > longest {
            *frequency /= scaling.factor as f32;
        } else if wavelength >= shortest {
            let blend = (scaling.original_context as f32 / wavelength - low as f32) / (high - low) as f32;
            *frequency = (1.0 - blend) * *frequency / scaling.factor as f32 + blend * *frequency;
        }
    }
    Ok(())
}

/// The last check: every scaling must leave frequencies that can be used.
pub(super) fn check(frequencies: &[f32]) -> Result<()> {
    match frequencies.iter().all(|f| f.is_finite()) {
        true => Ok(()),
        false => fail(Status::CorruptFile, "rope base and scaling give frequencies that are not finite"),
    }
}

fn positive(value: f64, name: &str) -> Result<()> {
    match value.is_finite() && value > 0.0 {
        true => Ok(()),
        false => fail(Status::CorruptFile, format!("{name}: expected a finite number above 0, {value} found")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_and_linear() {
        let mut found = frequencies(4, 10_000.0, "theta").unwrap();
        assert_eq!(found, [1.0, 0.01]);
        linear(&mut found, 4.0, "factor").unwrap();
        assert_eq!(found, [0.25, 0.0025]);
        divide(&mut found, &[1.0, 0.5], "factors").unwrap();
        assert_eq!(found, [0.25, 0.005]);
        assert!(divide(&mut found, &[1.0], "factors").is_err());
        assert!(divide(&mut found, &[1.0, 0.0], "factors").is_err());
        assert!(frequencies(4, f64::NAN, "theta").is_err());
        assert!(linear(&mut found, -1.0, "factor").is_err());
    }

    #[test]
    fn llama3_keeps_slows_and_blends() {
        let scaling =
            Llama3 { factor: 8.0, low_frequency_factor: 1.0, high_frequency_factor: 4.0, original_context: 64.0 };
        // Waves of 2 pi, 40 and 6283 positions; borders at 16 and 64.
        let mut found = [1.0, std::f32::consts::TAU / 40.0, 0.001];
        llama3(&mut found, &scaling).unwrap();
        assert_eq!(found[0], 1.0);
        assert_eq!(found[2], 0.001 / 8.0);
        let plain = std::f32::consts::TAU / 40.0;
        let blend = (64.0 / 40.0 - 1.0) / 3.0;
        assert!((found[1] - plain * ((1.0 - blend) / 8.0 + blend)).abs() < 1e-7);
        let bad = Llama3 { high_frequency_factor: 1.0, ..scaling };
        assert!(llama3(&mut found, &bad).is_err());
    }
}
