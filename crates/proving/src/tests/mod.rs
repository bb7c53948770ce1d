mod key_files;
mod key_import;
mod proofs;

use std::path::Path;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use ark_relations::{
    gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, LinearCombination, SynthesisError, Variable},
    lc,
};
use serde_json::json;

use crate::{Engine, groth16::ArkworksBackend, keys};

/// `length` steps of x ↦ x² + bit·x + constant with bits of the witness, from a public start to a public end. It has what
/// real circuits have: bits, linear combinations, a variable used only in C and one used nowhere.
#[derive(Debug, Clone)]
struct Steps {
    length: usize,
    start: Option<Fr>,
    /// Added to the true end, to make a false statement.
    offset: Fr,
    /// The constant of every step: another one is another circuit of the same shape.
    constant: u64,
}

impl Steps {
    fn shape(length: usize) -> Self {
        Self { length, start: None, offset: Fr::ZERO, constant: 3 }
    }

    fn new(length: usize, start: u64) -> Self {
        Self { length, start: Some(Fr::from(start)), ..Self::shape(length) }
    }

    fn bit(i: usize) -> bool {
        i % 3 == 1
    }

    fn end(&self) -> Option<Fr> {
        let step = |x: Fr, i| x.square() + if Self::bit(i) { x } else { Fr::ZERO } + Fr::from(self.constant);
        self.start.map(|start| (0..self.length).fold(start, step) + self.offset)
    }
}

impl ConstraintSynthesizer<Fr> for Steps {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let missing = SynthesisError::AssignmentMissing;
        let start = cs.new_input_variable(|| self.start.ok_or(missing))?;
        let end = cs.new_input_variable(|| self.end().ok_or(missing))?;
        let _unused = cs.new_witness_variable(|| Ok(Fr::from(9)))?;
        let (mut x, mut value) = (lc!() + start, self.start);
        for i in 0..self.length {
            let bit_value = Fr::from(Self::bit(i));
            let bit = cs.new_witness_variable(|| Ok(bit_value))?;
            cs.enforce_r1cs_constraint(|| lc!() + bit, || lc!() + Variable::One - bit, || lc!())?;
            let product_value = value.map(|value| value * (value + bit_value));
            let product = cs.new_witness_variable(|| product_value.ok_or(missing))?;
            let (left, right): (LinearCombination<Fr>, _) = (x.clone(), x + bit);
            cs.enforce_r1cs_constraint(|| left, || right, || lc!() + product)?;
            x = lc!() + product + (Fr::from(self.constant), Variable::One);
            value = product_value.map(|product| product + Fr::from(self.constant));
        }
        cs.enforce_r1cs_constraint(|| x, || lc!() + Variable::One, || lc!() + end)
    }
}

const NAME: &str = "steps";

fn generate(length: usize, directory: &Path) -> keys::Manifest {
    keys::generate(Steps::shape(length), NAME, json!({ "length": length }), b"seed", directory)
        .expect("a setup in an empty directory works")
}

fn backend(length: usize, engine: impl Engine + 'static) -> ArkworksBackend {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    generate(length, directory.path());
    // The mapping outlives the files.
    ArkworksBackend::new(keys::load(directory.path(), NAME, None).expect("fresh keys load"), engine)
}
