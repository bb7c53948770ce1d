//! Wires, and the few operations everything else is made of.

use ark_ff::{AdditiveGroup, BigInteger, Field, One, PrimeField, Zero};
use ark_relations::gr1cs::{ConstraintSystemRef, LinearCombination, SynthesisError, SynthesisMode, Variable};

use crate::Fr;

/// A field element in the circuit: a variable, a constant or a linear combination.
#[derive(Clone, Copy, Debug)]
pub struct Num {
    variable: Variable,
    value: Option<Fr>,
}

impl Num {
    /// The assignment, `None` while keys are generated.
    pub const fn value(&self) -> Option<Fr> {
        self.value
    }
}

/// A [`Num`] that the constraints allow to be 0 or 1 only.
#[derive(Clone, Copy, Debug)]
pub struct Bit(Num);

impl Bit {
    /// The bit as a number.
    pub const fn num(self) -> Num {
        self.0
    }

    /// The assignment, `None` while keys are generated.
    pub fn value(&self) -> Option<bool> {
        self.0.value.map(|value| !value.is_zero())
    }
}

/// Adds wires and constraints to a constraint system.
#[derive(Clone, Debug)]
pub struct Builder {
    cs: ConstraintSystemRef<Fr>,
    setup: bool,
}

impl Builder {
    /// A builder that adds to `cs`.
    pub fn new(cs: ConstraintSystemRef<Fr>) -> Self {
        let setup = cs.is_in_setup_mode();
        Self { cs, setup }
    }

    /// A constraint system that only collects the assignment: the fastest way to a witness when the matrices of the
    /// circuit are at hand.
    pub fn witness_only() -> ConstraintSystemRef<Fr> {
        let cs = ark_relations::gr1cs::ConstraintSystem::new_ref();
        cs.set_mode(SynthesisMode::Prove { construct_matrices: false, generate_lc_assignments: false });
        cs
    }

    /// Constraints so far (none are kept by [`Builder::witness_only`]).
    pub fn constraints(&self) -> usize {
        self.cs.num_constraints()
    }

    /// The constant `value`.
    pub fn constant(&self, value: Fr) -> Result<Num, SynthesisError> {
        if value.is_zero() {
            return Ok(self.zero());
        }
        self.combine(&[], value)
    }

    /// The constant 0.
    pub fn zero(&self) -> Num {
        Num { variable: Variable::Zero, value: Some(Fr::zero()) }
    }

    /// The constant 1.
    pub fn one(&self) -> Num {
        Num { variable: Variable::One, value: Some(Fr::one()) }
    }

    /// A private variable.
    pub fn witness(&self, value: Option<Fr>) -> Result<Num, SynthesisError> {
        let variable = self.cs.new_witness_variable(|| value.ok_or(SynthesisError::AssignmentMissing))?;
        Ok(Num { variable, value })
    }

    /// A public input.
    pub fn input(&self, value: Option<Fr>) -> Result<Num, SynthesisError> {
        let variable = self.cs.new_input_variable(|| value.ok_or(SynthesisError::AssignmentMissing))?;
        Ok(Num { variable, value })
    }

    /// A · B = C.
    pub fn enforce(&self, a: Num, b: Num, c: Num) -> Result<(), SynthesisError> {
        self.cs.enforce_r1cs_constraint(|| a.variable.into(), || b.variable.into(), || c.variable.into())
    }

    /// The linear combination `Σ coefficient · num + constant`. Costs no constraint.
    pub fn combine(&self, terms: &[(Fr, Num)], constant: Fr) -> Result<Num, SynthesisError> {
        let value = if self.setup {
            None
        } else {
            terms.iter().try_fold(constant, |sum, (coefficient, num)| Some(sum + num.value? * coefficient))
        };
        self.linear(value, || {
            let mut lc: Vec<_> =
                terms.iter().map(|(coefficient, num)| (*coefficient, num.variable)).collect();
            lc.push((constant, Variable::One));
            lc
        })
    }

    /// The sum of `nums`. Costs no constraint.
    pub fn sum(&self, nums: &[Num]) -> Result<Num, SynthesisError> {
        let value = nums.iter().try_fold(Fr::zero(), |sum, num| Some(sum + num.value?));
        self.linear(value, || nums.iter().map(|num| (Fr::one(), num.variable)).collect())
    }

    /// `a + b`. Costs no constraint.
    pub fn add(&self, a: Num, b: Num) -> Result<Num, SynthesisError> {
        self.sum(&[a, b])
    }

    /// `a - b`. Costs no constraint.
    pub fn sub(&self, a: Num, b: Num) -> Result<Num, SynthesisError> {
        let value = a.value.zip(b.value).map(|(a, b)| a - b);
        self.linear(value, || vec![(Fr::one(), a.variable), (-Fr::one(), b.variable)])
    }

    /// `a · b`, one constraint.
    pub fn mul(&self, a: Num, b: Num) -> Result<Num, SynthesisError> {
        let product = self.witness(a.value.zip(b.value).map(|(a, b)| a * b))?;
        self.enforce(a, b, product)?;
        Ok(product)
    }

    /// A variable equal to `num`, one constraint: keeps a long combination from being repeated wherever it is used.
    pub fn outline(&self, num: Num) -> Result<Num, SynthesisError> {
        let outlined = self.witness(num.value)?;
        self.assert_equal(num, outlined)?;
        Ok(outlined)
    }

    /// `a = b`, one constraint.
    pub fn assert_equal(&self, a: Num, b: Num) -> Result<(), SynthesisError> {
        self.enforce(a, self.one(), b)
    }

    /// A private bit, one constraint.
    pub fn bit(&self, value: Option<bool>) -> Result<Bit, SynthesisError> {
        let bit = self.witness(value.map(Fr::from))?;
        self.enforce(bit, bit, bit)?;
        Ok(Bit(bit))
    }

    /// A number that the caller's constraints already confine to 0 and 1.
    pub(crate) const fn assume_bit(num: Num) -> Bit {
        Bit(num)
    }

    /// The `count` bits of `num`, least significant first: `count + 1` constraints, unsatisfiable if `num` has more.
    /// Unique as long as `2^count` is below the modulus.
    pub fn bits(&self, num: Num, count: usize) -> Result<Vec<Bit>, SynthesisError> {
        let integer = num.value.map(|value| value.into_bigint());
        let bits = (0..count)
            .map(|i| self.bit(integer.map(|integer| integer.get_bit(i))))
            .collect::<Result<Vec<_>, _>>()?;
        self.assert_equal(self.pack(&bits)?, num)?;
        Ok(bits)
    }

    /// The number with these bits, least significant first, reduced by the modulus. Costs no constraint.
    pub fn pack(&self, bits: &[Bit]) -> Result<Num, SynthesisError> {
        let value = if self.setup {
            None
        } else {
            bits.iter().rev().try_fold(Fr::zero(), |sum, bit| Some(sum.double() + bit.0.value?))
        };
        self.linear(value, || {
            let mut power = Fr::one();
            bits.iter()
                .map(|bit| {
                    let coefficient = power;
                    power.double_in_place();
                    (coefficient, bit.0.variable)
                })
                .collect()
        })
    }

    /// `1 - bit`. Costs no constraint.
    pub fn not(&self, bit: Bit) -> Result<Bit, SynthesisError> {
        Ok(Bit(self.sub(self.one(), bit.0)?))
    }

    /// Both bits, one constraint.
    pub fn and(&self, a: Bit, b: Bit) -> Result<Bit, SynthesisError> {
        Ok(Bit(self.mul(a.0, b.0)?))
    }

    /// All of `bits`: at most two constraints.
    pub fn all(&self, bits: &[Bit]) -> Result<Bit, SynthesisError> {
        match bits {
            [] => Ok(Bit(self.one())),
            [bit] => Ok(*bit),
            [a, b] => self.and(*a, *b),
            _ => {
                let minus_one = -Fr::one();
                let terms: Vec<_> = bits.iter().map(|bit| (minus_one, bit.0)).collect();
                self.is_zero(self.combine(&terms, Fr::from(bits.len() as u64))?)
            }
        }
    }

    /// None of `bits`: at most two constraints.
    pub fn none(&self, bits: &[Bit]) -> Result<Bit, SynthesisError> {
        let nums: Vec<_> = bits.iter().map(|bit| bit.0).collect();
        self.is_zero(self.sum(&nums)?)
    }

    /// Whether `num` is 0, two constraints: `num · inverse = 1 - bit` and `num · bit = 0`.
    pub fn is_zero(&self, num: Num) -> Result<Bit, SynthesisError> {
        let bit = self.witness(num.value.map(|value| Fr::from(value.is_zero())))?;
        let inverse = self.witness(num.value.map(|value| value.inverse().unwrap_or_default()))?;
        self.enforce(num, inverse, self.sub(self.one(), bit)?)?;
        self.enforce(num, bit, self.zero())?;
        Ok(Bit(bit))
    }

    /// Whether `a` and `b` are equal, two constraints.
    pub fn is_equal(&self, a: Num, b: Num) -> Result<Bit, SynthesisError> {
        self.is_zero(self.sub(a, b)?)
    }

    /// `yes` if `bit`, else `no`: one constraint.
    pub fn select(&self, bit: Bit, yes: Num, no: Num) -> Result<Num, SynthesisError> {
        let value = bit.value().and_then(|bit| if bit { yes.value } else { no.value });
        let selected = self.witness(value)?;
        self.enforce(self.sub(yes, no)?, bit.0, self.sub(selected, no)?)?;
        Ok(selected)
    }

    fn linear(
        &self,
        value: Option<Fr>,
        terms: impl FnOnce() -> Vec<(Fr, Variable)>,
    ) -> Result<Num, SynthesisError> {
        let variable = self.cs.new_lc(|| {
            let mut terms = terms();
            terms.retain(|(coefficient, variable)| !coefficient.is_zero() && !variable.is_zero());
            let mut lc = LinearCombination(terms);
            lc.compactify();
            lc
        })?;
        Ok(Num { variable, value })
    }
}
