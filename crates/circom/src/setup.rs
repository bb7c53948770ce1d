//! Development keys: a setup of a circom circuit from a seed, in place of a ceremony.

use std::{
    io::{self, BufWriter, Write},
    path::Path,
};

use ark_bn254::{Fq, Fr, G1Projective, G2Projective};
use ark_ec::{CurveGroup, PrimeGroup, scalar_mul::ScalarMul};
use ark_ff::{AdditiveGroup, Field, PrimeField};
use ark_poly::EvaluationDomain;
use provery_proving::{Domain, RawG1, RawG2, keys};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::{
    error::FileError,
    field::{self, BYTES},
    r1cs::R1cs,
};

/// How the coefficients of a zkey are kept: the Montgomery form of the value times R.
fn twice_montgomery(value: &Fr, r: Fr) -> [u8; BYTES] {
    field::le_bytes(&(*value * r).0)
}

/// Values of the three linear combinations' polynomials at τ, a triple for every wire, and the coefficients that a zkey holds.
struct Columns {
    a: Vec<Fr>,
    b: Vec<Fr>,
    c: Vec<Fr>,
    coefficients: Vec<u8>,
    count: u32,
    /// The factor of Montgomery forms.
    r: Fr,
}

impl Columns {
    fn of(r1cs: &R1cs, lagrange: &[Fr]) -> Result<Self, FileError> {
        let shape = *r1cs.shape();
        let zeros = || vec![Fr::ZERO; shape.wires as usize];
        let mut columns =
            Self { a: zeros(), b: zeros(), c: zeros(), coefficients: Vec::new(), count: 0, r: field::r() };
        r1cs.check()?;
        r1cs.each(|row, constraint| {
            let weight = lagrange[row as usize];
            let Self { a, b, c, .. } = &mut columns;
            for (column, terms) in [a, b, c].into_iter().zip(constraint) {
                for (wire, coefficient) in terms.iter() {
                    column[wire as usize] += weight * coefficient.unwrap_or_default();
                }
            }
            for (matrix, terms) in (0..2).zip(constraint) {
                for (wire, coefficient) in terms.iter() {
                    columns.keep(matrix, row, wire, &coefficient.unwrap_or_default());
                }
            }
            Ok(true)
        })?;
        // A row for each public input makes their polynomials independent.
        for input in 0..=shape.public() {
            let row = shape.constraints + input;
            columns.a[input as usize] += lagrange[row as usize];
            columns.keep(0, row, input, &Fr::ONE);
        }
        Ok(columns)
    }

    fn keep(&mut self, matrix: u32, row: u32, wire: u32, value: &Fr) {
        for number in [matrix, row, wire] {
            self.coefficients.extend(number.to_le_bytes());
        }
        self.coefficients.extend(twice_montgomery(value, self.r));
        self.count += 1;
    }
}

/// Write a Groth16 key for `r1cs` whose secrets follow from `seed`: whoever knows it can prove anything. The verifying key carries
/// the mark of development keys ([`keys::is_marked`]). The file appears at `path` when it is whole.
pub fn write_development_key(r1cs: &R1cs, seed: &[u8], path: &Path) -> Result<(), FileError> {
    let too_large = || FileError::Malformed {
        path: r1cs.path().to_owned(),
        reason: "it has more constraints than bn254 can prove".to_owned(),
    };
    let shape = *r1cs.shape();
    let rows = u64::from(shape.constraints) + u64::from(shape.public()) + 1;
    let size = usize::try_from(rows).map_err(|_| too_large())?;
    let domain = Domain::new(size).ok_or_else(too_large)?;
    let double = Domain::new(2 * domain.size()).ok_or_else(too_large)?;

    let mut rng = rng(seed);
    let mut secret = || loop {
        let mut bytes = [0; 64];
        rng.fill_bytes(&mut bytes);
        let value = Fr::from_le_bytes_mod_order(&bytes);
        if let Some(inverse) = value.inverse() {
            return (value, inverse);
        }
    };
    let ((alpha, alpha_inverse), (beta, _), (tau, _)) = (secret(), secret(), secret());
    let ((gamma, gamma_inverse), (delta, delta_inverse)) = (secret(), secret());
    let columns = Columns::of(r1cs, &domain.evaluate_all_lagrange_coefficients(tau))?;
    let instances = shape.public() as usize + 1;
    let mixed: Vec<Fr> = (0..columns.a.len())
        .into_par_iter()
        .map(|wire| {
            let inverse = if wire < instances { gamma_inverse } else { delta_inverse };
            (beta * columns.a[wire] + alpha * columns.b[wire] + columns.c[wire]) * inverse
        })
        .collect();
    let odd = double.evaluate_all_lagrange_coefficients(tau);
    let quotient: Vec<Fr> = odd.iter().skip(1).step_by(2).map(|value| *value * delta_inverse).collect();

    // Of the generators that give α the mark.
    let one = G1Projective::from(keys::development_mark()) * alpha_inverse;
    let two = G2Projective::generator();
    let g1 = |scalars: &[Fr]| -> Vec<u8> {
        one.batch_mul(scalars).iter().flat_map(|point| RawG1::from(point).as_bytes().to_vec()).collect()
    };
    let g2 = |scalars: &[Fr]| -> Vec<u8> {
        two.batch_mul(scalars).iter().flat_map(|point| RawG2::from(point).as_bytes().to_vec()).collect()
    };
    let one_g1 = |scalar: Fr| RawG1::from(&(one * scalar).into_affine()).as_bytes().to_vec();
    let one_g2 = |scalar: Fr| RawG2::from(&(two * scalar).into_affine()).as_bytes().to_vec();

    let mut header = Vec::new();
    for modulus in [Fq::MODULUS, Fr::MODULUS] {
        header.extend((BYTES as u32).to_le_bytes());
        header.extend(field::le_bytes(&modulus));
    }
    for number in [shape.wires, shape.public(), domain.size() as u32] {
        header.extend(number.to_le_bytes());
    }
    header.extend([one_g1(alpha), one_g1(beta), one_g2(beta)].concat());
    header.extend([one_g2(gamma), one_g1(delta), one_g2(delta)].concat());
    let (public, private) = mixed.split_at(instances);
    let coefficients = [columns.count.to_le_bytes().to_vec(), columns.coefficients].concat();
    // No circuit's hash and no contributions.
    let contributions = vec![0; 64 + 4];
    let sections = [
        (1, 1u32.to_le_bytes().to_vec()),
        (2, header),
        (3, g1(public)),
        (4, coefficients),
        (5, g1(&columns.a)),
        (6, g1(&columns.b)),
        (7, g2(&columns.b)),
        (8, g1(private)),
        (9, g1(&quotient)),
        (10, contributions),
    ];
    write(path, &sections).map_err(|source| FileError::Io { path: path.to_owned(), source })
}

fn rng(seed: &[u8]) -> ChaCha20Rng {
    let hash = Sha256::new_with_prefix("provery development setup of a circom circuit\0").chain_update(seed);
    ChaCha20Rng::from_seed(hash.finalize().into())
}

/// Beside its place first, because files that are mapped must not change.
fn write(path: &Path, sections: &[(u32, Vec<u8>)]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut out = BufWriter::new(tempfile::NamedTempFile::new_in(directory)?);
    out.write_all(b"zkey")?;
    out.write_all(&1u32.to_le_bytes())?;
    out.write_all(&(sections.len() as u32).to_le_bytes())?;
    for (number, content) in sections {
        out.write_all(&number.to_le_bytes())?;
        out.write_all(&(content.len() as u64).to_le_bytes())?;
        out.write_all(content)?;
    }
    let file = out.into_inner().map_err(|error| error.into_error())?;
    file.as_file().sync_all()?;
    let file = file.persist(path).map_err(|error| error.error)?;
    readable(&file)
}

/// Temporary files are private to their owner; keys are public.
#[cfg(unix)]
fn readable(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_file: &std::fs::File) -> io::Result<()> {
    Ok(())
}
