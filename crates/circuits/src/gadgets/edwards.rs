//! Points of [`crate::babyjub`] in the circuit.
//!
//! The curve is a x² + y² = 1 + d x² y² over the circuit's field with a a square and d none, so the addition law is complete:
//! for points on the curve no denominator is ever 0, whatever their order, and every formula below has exactly one
//! solution.

use std::sync::OnceLock;

use ark_ec::{CurveGroup, PrimeGroup, twisted_edwards::TECurveConfig};
use ark_ff::{AdditiveGroup, Field, One, Zero};
use ark_relations::gr1cs::SynthesisError;

use super::{Bit, Builder, Num};
use crate::{
    Fr,
    babyjub::{Affine, BabyJubjub, Projective},
};

const A: Fr = BabyJubjub::COEFF_A;
const D: Fr = BabyJubjub::COEFF_D;

/// A pair of coordinates. Whether they are on the curve is what the constraints around it say.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// First coordinate.
    pub x: Num,
    /// Second coordinate.
    pub y: Num,
}

/// Bits of a window of [`multiply_generator`].
const WINDOW: usize = 3;

impl Point {
    /// Whether the pair is a point of the curve: five constraints.
    pub fn is_on_curve(&self, builder: &Builder) -> Result<Bit, SynthesisError> {
        let xx = builder.mul(self.x, self.x)?;
        let yy = builder.mul(self.y, self.y)?;
        let xxyy = builder.mul(xx, yy)?;
        let difference = builder.combine(&[(A, xx), (Fr::one(), yy), (-D, xxyy)], -Fr::one())?;
        builder.is_zero(difference)
    }

    /// The point if `bit`, else the neutral element (0, 1): two constraints.
    pub fn or_neutral(&self, builder: &Builder, bit: Bit) -> Result<Self, SynthesisError> {
        Ok(Self { x: builder.mul(self.x, bit.num())?, y: builder.select(bit, self.y, builder.one())? })
    }

    /// Whether two points are equal: five constraints.
    pub fn is_equal(&self, builder: &Builder, other: &Self) -> Result<Bit, SynthesisError> {
        let x = builder.is_equal(self.x, other.x)?;
        let y = builder.is_equal(self.y, other.y)?;
        builder.and(x, y)
    }

    /// The sum of two points of the curve: six constraints.
    pub fn add(&self, builder: &Builder, other: &Self) -> Result<Self, SynthesisError> {
        let one = Fr::one();
        let slanted = builder.combine(&[(one, self.y), (-A, self.x)], Fr::zero())?;
        let cross = builder.mul(slanted, builder.add(other.x, other.y)?)?;
        let xy = builder.mul(other.y, self.x)?;
        let yx = builder.mul(other.x, self.y)?;
        let product = builder.mul(xy, yx)?;
        let above_x = builder.add(xy, yx)?;
        // y₁y₂ - a x₁x₂
        let above_y = builder.combine(&[(one, cross), (A, xy), (-one, yx)], Fr::zero())?;
        let below_x = builder.combine(&[(D, product)], one)?;
        let below_y = builder.combine(&[(-D, product)], one)?;
        divide(builder, [above_x, above_y], [below_x, below_y])
    }

    /// Twice a point of the curve: five constraints. Uses the curve's equation for the denominators.
    pub fn double(&self, builder: &Builder) -> Result<Self, SynthesisError> {
        let xy = builder.mul(self.x, self.y)?;
        let xx = builder.mul(self.x, self.x)?;
        let yy = builder.mul(self.y, self.y)?;
        let one = Fr::one();
        let above_x = builder.add(xy, xy)?;
        let above_y = builder.combine(&[(one, yy), (-A, xx)], Fr::zero())?;
        let below_x = builder.combine(&[(A, xx), (one, yy)], Fr::zero())?;
        let below_y = builder.combine(&[(-A, xx), (-one, yy)], one.double())?;
        divide(builder, [above_x, above_y], [below_x, below_y])
    }

    /// The product of a point of the curve and the integer of `bits` (least significant first, an even number of them),
    /// which is not reduced by any group order: 22 constraints for two bits.
    pub fn multiply(&self, builder: &Builder, bits: &[Bit]) -> Result<Self, SynthesisError> {
        let double = self.double(builder)?;
        let triple = double.add(builder, self)?;
        let window = |pair: &[Bit]| -> Result<Self, SynthesisError> {
            let coordinate = |neutral, one, two, three| {
                let low = builder.select(pair[0], one, neutral)?;
                let high = builder.select(pair[0], three, two)?;
                builder.select(pair[1], high, low)
            };
            Ok(Self {
                x: coordinate(builder.zero(), self.x, double.x, triple.x)?,
                y: coordinate(builder.one(), self.y, double.y, triple.y)?,
            })
        };
        let mut pairs = bits.chunks_exact(2).rev();
        let mut sum = match pairs.next() {
            Some(pair) => window(pair)?,
            None => return Ok(Self { x: builder.zero(), y: builder.one() }),
        };
        for pair in pairs {
            sum = sum.double(builder)?.double(builder)?.add(builder, &window(pair)?)?;
        }
        Ok(sum)
    }
}

/// Both quotients, with one inversion for the witness: two constraints. The denominators must not be 0.
fn divide(builder: &Builder, above: [Num; 2], below: [Num; 2]) -> Result<Point, SynthesisError> {
    let values = (|| {
        let (x, y) = (below[0].value()?, below[1].value()?);
        let inverse = (x * y).inverse().unwrap_or_default();
        Some((above[0].value()? * inverse * y, above[1].value()? * inverse * x))
    })();
    let point =
        Point { x: builder.witness(values.map(|(x, _)| x))?, y: builder.witness(values.map(|(_, y)| y))? };
    builder.enforce(below[0], point.x, above[0])?;
    builder.enforce(below[1], point.y, above[1])?;
    Ok(point)
}

/// The product of the generator and the integer of `bits` (least significant first, at most 252 of them, a multiple of
/// three): ten constraints for three bits.
pub fn multiply_generator(builder: &Builder, bits: &[Bit]) -> Result<Point, SynthesisError> {
    let mut sum: Option<Point> = None;
    for (window, table) in bits.chunks_exact(WINDOW).zip(generator_tables()) {
        let [a, b, c] = [window[0], window[1], window[2]];
        let ab = builder.and(a, b)?;
        let monomials = [
            a.num(),
            b.num(),
            ab.num(),
            c.num(),
            builder.and(a, c)?.num(),
            builder.and(b, c)?.num(),
            builder.and(ab, c)?.num(),
        ];
        let coordinate = |coefficients: &[Fr; 8]| {
            let terms: [(Fr, Num); 7] = std::array::from_fn(|i| (coefficients[i + 1], monomials[i]));
            builder.combine(&terms, coefficients[0])
        };
        let point = Point { x: coordinate(&table.x)?, y: coordinate(&table.y)? };
        sum = Some(match sum {
            None => point,
            Some(sum) => sum.add(builder, &point)?,
        });
    }
    Ok(sum.unwrap_or(Point { x: builder.zero(), y: builder.one() }))
}

/// Coordinates of a window's eight multiples as polynomials in its bits: coefficient `i` belongs to the product of the
/// bits set in `i`.
struct Table {
    x: [Fr; 8],
    y: [Fr; 8],
}

fn generator_tables() -> &'static [Table] {
    static TABLES: OnceLock<Vec<Table>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut base = Projective::generator();
        (0..252 / WINDOW)
            .map(|_| {
                let mut multiple = Projective::zero();
                let points: [Affine; 8] = std::array::from_fn(|_| {
                    let point = multiple.into_affine();
                    multiple += base;
                    point
                });
                base = multiple;
                Table { x: monomials(points.map(|point| point.x)), y: monomials(points.map(|point| point.y)) }
            })
            .collect()
    })
}

/// Turns values at all bit patterns into coefficients (a Möbius transform).
fn monomials(mut values: [Fr; 8]) -> [Fr; 8] {
    for bit in [1, 2, 4] {
        for i in 0..8 {
            if i & bit != 0 {
                values[i] -= values[i ^ bit];
            }
        }
    }
    values
}
