//! Opening and updating leaves of [`crate::tree`].

use ark_relations::gr1cs::SynthesisError;

use super::{Bit, Builder, Num, poseidon};

/// A tree cut below its top: the roots of 2^k subtrees, held in the circuit while leaves change.
///
/// A block opens many leaves, and each path to the tree's root would hash the same top again and again. Here a path ends
/// at a subtree's root, which is looked up among the others, and the top is hashed twice a block: before and after.
#[derive(Clone, Debug)]
pub struct Forest {
    roots: Vec<Num>,
}

impl Forest {
    /// The forest with these roots, 2^k of them, from left to right.
    pub const fn new(roots: Vec<Num>) -> Self {
        Self { roots }
    }

    /// k: the levels above the roots.
    pub fn levels(&self) -> usize {
        self.roots.len().ilog2() as usize
    }

    /// The root of the whole tree: 2^k - 1 permutations.
    pub fn root(&self, builder: &Builder) -> Result<Num, SynthesisError> {
        let mut nodes = self.roots.clone();
        while nodes.len() > 1 {
            nodes = nodes.chunks(2).map(|pair| poseidon::hash(builder, pair)).collect::<Result<_, _>>()?;
        }
        Ok(nodes.first().copied().unwrap_or_else(|| builder.zero()))
    }

    /// Proves that the first of `leaves` is at `index` and replaces it by the second.
    ///
    /// `index` has a bit for each level of the whole tree, least significant first; `siblings` has a node for each level
    /// below the subtrees' roots, lowest first.
    pub fn replace(
        &mut self,
        builder: &Builder,
        index: &[Bit],
        siblings: &[Num],
        leaves: [Num; 2],
    ) -> Result<(), SynthesisError> {
        let (below, above) = index.split_at(siblings.len());
        let [before, after] = replace(builder, below, siblings, leaves)?;
        let difference = builder.sub(after, before)?;
        for (root, chosen) in self.roots.iter_mut().zip(one_hot(builder, above)?) {
            // Where `chosen` is 1, the root is `before` and becomes `after`.
            builder.enforce(builder.sub(*root, before)?, chosen, builder.zero())?;
            *root = builder.add(*root, builder.mul(difference, chosen)?)?;
        }
        Ok(())
    }
}

/// 2^k numbers of which the one at the place of `bits` (least significant first) is 1 and the others 0: 2^k - 2
/// constraints.
fn one_hot(builder: &Builder, bits: &[Bit]) -> Result<Vec<Num>, SynthesisError> {
    let mut places = vec![builder.one()];
    for bit in bits {
        let high = match places[..] {
            [_] => vec![bit.num()],
            _ => places.iter().map(|place| builder.mul(*place, bit.num())).collect::<Result<_, _>>()?,
        };
        for (place, high) in places.iter_mut().zip(&high) {
            *place = builder.sub(*place, *high)?;
        }
        places.extend(high);
    }
    Ok(places)
}

/// The roots over two leaves at one place with the same siblings.
///
/// `index` has a bit for each level, least significant first, and `siblings` a node for each level, lowest first.
/// Two permutations and two constraints a level. With equal siblings, the first root being the subtree's makes the
/// second the root of the subtree with that one leaf replaced.
fn replace(
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
