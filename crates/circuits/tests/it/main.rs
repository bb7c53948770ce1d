//! The circuit against the native state machine, honest and forged; the statement's shared vectors.

mod agreement;
mod forgery;
mod support;
mod vectors;
