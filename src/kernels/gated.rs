//! The gated feed-forward activation: h = act(gate) up, act = silu (Llama) or gelu_tanh (T5).

use super::Compute;
use super::isa::{Kernel, dispatch};
use super::lanes::Lanes;
use super::shared::Shared;

/// Values of one item.
const VALUES: usize = 24_576;

/// What the gate goes through. Both are g sigmoid(a(g)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// a(g) = g.
    Silu,
    /// The tanh form of GELU: a(g) = sqrt(8 / pi) (g + 0.044715 g^3).
    GeluTanh,
}

/// h = act(gate) up, element by element.
pub(crate) fn forward(compute: &Compute, act: Activation, gate: &[f32], up: &[f32], h: &mut [f32]) {
    let total = gate.len();
    assert!(up.len() == total && h.len() >= total);
    let h = Shared::new(h);
    compute.threads.run(total.div_ceil(VALUES), |item| {
        let (start, end) = (item * VALUES, ((item + 1) * VALUES).min(total));
        // SAFETY: every item has its own part of h.
        let h = unsafe { h.part(start, end - start) };
        // SAFETY: `isa` was checked.
        unsafe { dispatch(compute.isa, Forward { act, gate: &gate[start..end], up: &up[start..end], h }) }
    });
}

/// From dh to d gate and d up: `dh` is overwritten by d up, `dgate` gets d gate.
pub(crate) fn backward(
    compute: &Compute,
    act: Activation,
    gate: &[f32],
    up: &[f32],
    dh: &mut [f32],
    dgate: &mut [f32],
) {
    let total = gate.len();
    assert!(up.len() == total && dh.len() >= total && dgate.len() >= total);
    let (dh, dgate) = (Shared::new(dh), Shared::new(dgate));
    compute.threads.run(total.div_ceil(VALUES), |item| {
        let (start, end) = (item * VALUES, ((item + 1) * VALUES).min(total));
        // SAFETY: every item has its own parts of dh and dgate.
        let (dh, dgate) = unsafe { (dh.part(start, end - start), dgate.part(start, end - start)) };
        // SAFETY: `isa` was checked.
        unsafe { dispatch(compute.isa, Backward { act, gate: &gate[start..end], up: &up[start..end], dh, dgate }) }
    });
}

struct Forward<'a> {
    act: Activation,
    gate: &'a [f32],
    up: &'a [f32],
    h: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let mut i = 0;
        while i < self.gate.len() {
            let n = L::N.min(self.gate.len() - i);
            // SAFETY: n values are left in every slice.
            unsafe {
                let gate = L::load_part(self.gate.as_ptr().add(i), n);
                let inner = match self.act {
                    Activation::Silu => gate,
                    Activation::GeluTanh => L::mul(gate, gelu_factor::<L>(gate, GELU_CUBE)),
                };
                let opened = L::mul(gate, sigmoid::<L>(inner));
                L::store_part(self.h.as_mut_ptr().add(i), n, L::mul(opened, L::load_part(self.up.as_ptr().add(i), n)));
            }
            i += n;
        }
    }
}

struct Backward<'a> {
    act: Activation,
    gate: &'a [f32],
    up: &'a [f32],
    dh: &'a mut [f32],
    dgate: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    /// act'(g) = s (1 + g (1 - s) a'(g)) with s = sigmoid(a(g)).
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let mut i = 0;
        while i < self.gate.len() {
            let n = L::N.min(self.gate.len() - i);
            // SAFETY: n values are left in every slice.
            unsafe {
                let gate = L::load_part(self.gate.as_ptr().add(i), n);
                let up = L::load_part(self.up.as_ptr().add(i), n);
                let dh = L::load_part(self.dh.as_ptr().add(i), n);
                let one = L::splat(1.0);
                let (s, rise) = match self.act {
                    Activation::Silu => (sigmoid::<L>(gate), gate),
                    Activation::GeluTanh => {
                        let inner = L::mul(gate, gelu_factor::<L>(gate, GELU_CUBE));
                        (sigmoid::<L>(inner), L::mul(gate, gelu_factor::<L>(gate, 3.0 * GELU_CUBE)))
                    }
                };
                let slope = L::mul(s, L::fma(rise, L::sub(one, s), one));
                L::store_part(self.dgate.as_mut_ptr().add(i), n, L::mul(L::mul(dh, up), slope));
                L::store_part(self.dh.as_mut_ptr().add(i), n, L::mul(dh, L::mul(gate, s)));
            }
            i += n;
        }
    }
}

/// sqrt(8 / pi).
const GELU_SCALE: f32 = 1.595_769;
const GELU_CUBE: f32 = 0.044_715;

/// sqrt(8 / pi) (1 + cube g^2).
#[inline(always)]
unsafe fn gelu_factor<L: Lanes>(g: L::V, cube: f32) -> L::V {
    // SAFETY: the features of L, as for every kernel.
    unsafe { L::fma(L::mul(g, g), L::splat(GELU_SCALE * cube), L::splat(GELU_SCALE)) }
}

#[inline(always)]
unsafe fn sigmoid<L: Lanes>(v: L::V) -> L::V {
    // SAFETY: the features of L, as for every kernel.
    unsafe {
        let one = L::splat(1.0);
        L::div(one, L::add(one, L::exp(L::sub(L::splat(0.0), v))))
    }
}
