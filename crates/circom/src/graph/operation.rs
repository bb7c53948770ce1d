//! What a node of a graph does with values, as circom's language defines it. Numbers above half the prime are negative where they are
//! compared; bits are those of the number from 0 to the prime.

use ark_bn254::Fr;
use ark_ff::{BigInteger as _, Field as _, PrimeField, Zero as _};
use num_bigint::BigUint;

/// Of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unary {
    Negate,
    Same,
    Not,
    BitNot,
    Root,
}

/// Of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Multiply,
    Divide,
    Add,
    Subtract,
    Power,
    Quotient,
    Remainder,
    Equal,
    Unequal,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    And,
    Or,
    ShiftLeft,
    ShiftRight,
    BitOr,
    BitAnd,
    BitXor,
}

impl Unary {
    /// By the number that the file has.
    pub(super) fn of(number: u64) -> Option<Self> {
        [Self::Negate, Self::Same, Self::Not, Self::BitNot, Self::Root]
            .get(usize::try_from(number).ok()?)
            .copied()
    }

    pub(super) fn apply(self, a: Fr) -> Fr {
        match self {
            Self::Negate => -a,
            Self::Same => a,
            Self::Not => Fr::from(a.is_zero()),
            Self::BitNot => masked(large(a) ^ mask()),
            // The smaller of both, as circom's own; nothing has one if there is none.
            Self::Root => a.sqrt().map_or(Fr::zero(), |root| root.min(-root)),
        }
    }
}

impl Binary {
    /// By the number that the file has.
    pub(super) fn of(number: u64) -> Option<Self> {
        let all = [
            Self::Multiply,
            Self::Divide,
            Self::Add,
            Self::Subtract,
            Self::Power,
            Self::Quotient,
            Self::Remainder,
            Self::Equal,
            Self::Unequal,
            Self::Less,
            Self::Greater,
            Self::LessOrEqual,
            Self::GreaterOrEqual,
            Self::And,
            Self::Or,
            Self::ShiftLeft,
            Self::ShiftRight,
            Self::BitOr,
            Self::BitAnd,
            Self::BitXor,
        ];
        all.get(usize::try_from(number).ok()?).copied()
    }

    /// Division by zero gives zero: branches that are not taken are computed, too, and constraints tell what is wrong.
    pub(super) fn apply(self, a: Fr, b: Fr) -> Fr {
        match self {
            Self::Multiply => a * b,
            Self::Divide => b.inverse().map_or(Fr::zero(), |inverse| a * inverse),
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Power => a.pow(b.into_bigint()),
            Self::Quotient if b.is_zero() => Fr::zero(),
            Self::Quotient => Fr::from(large(a) / large(b)),
            Self::Remainder if b.is_zero() => Fr::zero(),
            Self::Remainder => Fr::from(large(a) % large(b)),
            Self::Equal => Fr::from(a == b),
            Self::Unequal => Fr::from(a != b),
            Self::Less => Fr::from(signed(a) < signed(b)),
            Self::Greater => Fr::from(signed(a) > signed(b)),
            Self::LessOrEqual => Fr::from(signed(a) <= signed(b)),
            Self::GreaterOrEqual => Fr::from(signed(a) >= signed(b)),
            Self::And => Fr::from(!a.is_zero() && !b.is_zero()),
            Self::Or => Fr::from(!a.is_zero() || !b.is_zero()),
            Self::ShiftLeft => shift(a, b, true),
            Self::ShiftRight => shift(a, b, false),
            Self::BitOr => masked(large(a) | large(b)),
            Self::BitAnd => masked(large(a) & large(b)),
            Self::BitXor => masked(large(a) ^ large(b)),
        }
    }
}

fn large(value: Fr) -> BigUint {
    value.into_bigint().into()
}

/// As many bits as the prime has.
fn mask() -> BigUint {
    (BigUint::from(1_u8) << Fr::MODULUS_BIT_SIZE) - 1_u8
}

fn masked(value: BigUint) -> Fr {
    Fr::from(value & mask())
}

/// Negative numbers before the others.
fn signed(value: Fr) -> (bool, Fr) {
    (!is_negative(value), value)
}

fn is_negative(value: Fr) -> bool {
    value.into_bigint() > Fr::MODULUS_MINUS_ONE_DIV_TWO
}

/// By a negative number of bits in the other direction.
fn shift(value: Fr, by: Fr, left: bool) -> Fr {
    if is_negative(by) {
        return shift(value, -by, !left);
    }
    let by = by.into_bigint();
    if by.num_bits() > 16 || by.0[0] >= u64::from(Fr::MODULUS_BIT_SIZE) {
        return Fr::zero();
    }
    let bits = by.0[0];
    masked(if left { large(value) << bits } else { large(value) >> bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: i64) -> Fr {
        Fr::from(value)
    }

    #[test]
    fn numbers_above_half_the_prime_are_negative_where_they_are_compared() {
        let (minus, plus) = (number(-3), number(2));
        assert_eq!(Binary::Less.apply(minus, plus), number(1));
        assert_eq!(Binary::GreaterOrEqual.apply(minus, plus), number(0));
        assert_eq!(Binary::Less.apply(number(-3), number(-2)), number(1));
        assert_eq!(Binary::LessOrEqual.apply(plus, plus), number(1));
        assert_eq!(Binary::Greater.apply(plus, minus), number(1));
    }

    #[test]
    fn whole_numbers_are_divided_as_numbers_and_elements_as_elements() {
        assert_eq!(Binary::Quotient.apply(number(17), number(5)), number(3));
        assert_eq!(Binary::Remainder.apply(number(17), number(5)), number(2));
        assert_eq!(Binary::Divide.apply(number(17), number(5)) * number(5), number(17));
        for by_zero in [Binary::Quotient, Binary::Remainder, Binary::Divide] {
            assert_eq!(by_zero.apply(number(17), number(0)), number(0));
        }
    }

    #[test]
    fn bits_move_within_the_primes_length() {
        assert_eq!(Binary::ShiftLeft.apply(number(5), number(3)), number(40));
        assert_eq!(Binary::ShiftRight.apply(number(40), number(3)), number(5));
        assert_eq!(Binary::ShiftLeft.apply(number(40), number(-3)), number(5), "in the other direction");
        assert_eq!(Binary::ShiftRight.apply(number(1), number(1 << 40)), number(0));
        assert_eq!(Binary::ShiftLeft.apply(number(1), number(254)), number(0));
        assert_eq!(Binary::BitXor.apply(number(12), number(10)), number(6));
        assert_eq!(Binary::BitAnd.apply(number(12), number(10)), number(8));
        assert_eq!(Binary::BitOr.apply(number(12), number(10)), number(14));
        // All bits but those, less the prime.
        assert_eq!(Unary::BitNot.apply(number(0)), Fr::from(mask()));
    }

    #[test]
    fn roots_are_the_smaller_of_both() {
        assert_eq!(Unary::Root.apply(number(49)), number(7));
        assert_eq!(Unary::Not.apply(number(0)), number(1));
        assert_eq!(Unary::Negate.apply(number(4)), number(-4));
        assert_eq!(Binary::Power.apply(number(3), number(5)), number(243));
    }

    #[test]
    fn no_number_is_another_operation() {
        assert_eq!(Unary::of(4), Some(Unary::Root));
        assert_eq!(Unary::of(5), None);
        assert_eq!(Binary::of(19), Some(Binary::BitXor));
        assert_eq!(Binary::of(20), None);
        assert_eq!(Binary::of(u64::MAX), None);
    }
}
