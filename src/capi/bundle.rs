//! Meta-trained starts for adaptation, made for one model family. This version only knows the name: pass NULL where a
//! bundle is taken.

/// A meta-trained start.
pub struct supmer_bundle {
    _private: [u8; 0],
}
