//! What a market's terms must say of its circuit's public inputs, for the proofs that are made here to be taken.

use provery_types::{CircuitTerms, Terms};

use crate::{Refusal, Why};

/// The end of a circuit's public inputs, behind the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many are outputs.
    pub outputs: usize,
    /// Whether the last one is the payee.
    pub payee_bound: bool,
}

impl Shape {
    /// Unless slots under these terms can be proven with this circuit: under others every proof would be refused, and every slot
    /// that is held be missed.
    pub fn unless_of(self, terms: &Terms) -> Result<(), Refusal> {
        let bound = CircuitTerms::read(terms).payee_bound();
        let outputs = usize::from(terms.outputs);
        if outputs == self.outputs && bound == self.payee_bound {
            return Ok(());
        }
        let payee = |bound| if bound { "a payee" } else { "no payee" };
        let message = format!(
            "version {} of the market's terms is for circuits with {outputs} outputs and {}, and its circuit has {} and {}: its slots \
             cannot be proven",
            terms.version,
            payee(bound),
            self.outputs,
            payee(self.payee_bound)
        );
        Err(Refusal::new(Why::Circuit, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_no_proof_of_the_circuit_fits_are_refused() {
        let shape = Shape { outputs: 1, payee_bound: true };
        let terms = |outputs, reveal_delay| Terms {
            outputs,
            circuitTerms: CircuitTerms { reveal_delay, ..CircuitTerms::default() }.word(),
            ..Terms::default()
        };
        assert!(shape.unless_of(&terms(1, 0)).is_ok());
        for (outputs, delay) in [(0, 0), (2, 0), (1, 10), (0, 10)] {
            assert!(shape.unless_of(&terms(outputs, delay)).is_err(), "{outputs} {delay}");
        }
    }
}
