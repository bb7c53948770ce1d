//! What a stranger adds by the steps of the docs, in a scratch copy, changes no file but those that the steps name.

mod mechanism;
mod scratch;
mod workload;
