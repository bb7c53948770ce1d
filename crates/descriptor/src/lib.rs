//! A circuit's descriptor: what its inputs mean, what proves it, where its files are and what a proof costs, as one JSON document
//! that is canonical by RFC 8785 and whose sha256 is registered on the chain. `provery circuit describe` writes it; nobody does by
//! hand. Knows nothing of chains.
//!
//! | module | what it holds |
//! |---|---|
//! | [`document`] | the document and its parts |
//! | [`digest`] | sha256, as OCI writes it |
//! | [`artifact`] | a file by digest, size and where it can be had: an OCI content descriptor |
//! | [`fetch`] | artifacts from the web, of servers that are not trusted |
//! | [`store`] | artifacts on disk, by their digest |

pub mod artifact;
pub mod digest;
pub mod document;
pub mod fetch;
pub mod store;

pub use artifact::{Artifact, ArtifactError, Role};
pub use digest::Digest;
pub use document::{
    CostPoint, Curve, Descriptor, DescriptorError, InputSource, InputType, ProofSystem, PublicInput,
    PublicRole, Setup, SlotInput, VerifierInterface, Witness,
};
pub use fetch::{FetchError, Fetcher, Reach};
pub use store::Store;
