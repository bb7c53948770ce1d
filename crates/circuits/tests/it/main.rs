//! The circuits against their native twins, honest and forged; the shared vectors.

mod agreement;
mod circomlib;
mod forgery;
mod support;
mod vectors;
