//! Opening and updating a leaf of [`crate::tree`].

use ark_relations::gr1cs::SynthesisError;

use super::{Bit, Builder, Num, poseidon};

/// The roots over two leaves at one place with the same siblings.
///
/// `index` has a bit for each level, least significant first, and `siblings` a node for each level, lowest first.
/// Two permutations and two constraints a level. With equal siblings, the first root being the tree's root makes the
/// second the root of the tree with that one leaf replaced.
pub fn replace(
    builder: &Builder,
    index: &[Bit],
    siblings: &[Num],
    leaves: [Num; 2],
) -> Result<[Num; 2], SynthesisError> {
    let mut nodes = leaves;
    for (bit, sibling) in index.iter().zip(siblings) {
        for node in &mut nodes {
            // If the bit is set the node is a right child: the two change places.
            let moved = builder.mul(builder.sub(*sibling, *node)?, bit.num())?;
            let left = builder.add(*node, moved)?;
            let right = builder.sub(*sibling, moved)?;
            *node = poseidon::hash(builder, &[left, right])?;
        }
    }
    Ok(nodes)
}
