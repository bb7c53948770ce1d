//! The state tree: a sparse binary Merkle tree of [`DEPTH`] levels over accounts.
//!
//! Nodes are shared and never change, so a copy costs one reference count, an update makes [`DEPTH`] new nodes, and
//! the states before several pending blocks can be kept side by side. A leaf is poseidon(key.x, key.y, balance, nonce),
//! an inner node is poseidon(left, right), and an account that was never set counts as all zeros.
//!
//! A tree may be partial: subtrees nobody needs are reduced to their hash ([`Tree::subset`]). It has the same root and
//! behaves the same, except that touching what it left out is an error.

use std::sync::{Arc, OnceLock};

use crate::{
    Fr,
    account::Account,
    keys::PublicKey,
    poseidon,
    word::{self, Word},
};

/// Levels between a leaf and the root.
pub const DEPTH: usize = 16;
/// Accounts the tree has room for.
pub const CAPACITY: usize = 1 << DEPTH;

/// Nodes beside the path from a leaf to the root, lowest first.
pub type Siblings = [Fr; DEPTH];

/// A sparse Merkle tree of accounts.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    root: Link,
}

/// `None` is a subtree of empty accounts.
type Link = Option<Arc<Node>>;

#[derive(Debug)]
enum Node {
    Leaf {
        hash: Fr,
        account: Account,
    },
    Branch {
        hash: Fr,
        children: [Link; 2],
    },
    /// A subtree of which only the hash is known.
    Stub {
        hash: Fr,
    },
}

/// An account that a partial tree does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the partial state does not hold account {0}")]
pub struct MissingAccount(pub u16);

/// Bytes that are not an encoded tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The bytes end in the middle of a node.
    #[error("the encoded state ends too early")]
    Truncated,
    /// Bytes are left after the last node.
    #[error("the encoded state is followed by other bytes")]
    Trailing,
    /// A tag that is unknown or not allowed at its level.
    #[error("the encoded state has tag {0} where none such can be")]
    Tag(u8),
    /// A field element that is not below the modulus.
    #[error("the encoded state has a field element that is not below the modulus")]
    NotCanonical,
}

const TAG_EMPTY: u8 = 0;
const TAG_STUB: u8 = 1;
const TAG_BRANCH: u8 = 2;
const TAG_LEAF: u8 = 3;

impl Tree {
    /// A tree with `accounts` at indices 0, 1, 2, …; those beyond [`CAPACITY`] are left out.
    pub fn new(accounts: &[Account]) -> Self {
        Self { root: build(&accounts[..accounts.len().min(CAPACITY)], DEPTH) }
    }

    /// The hash of the whole tree.
    pub fn root(&self) -> Fr {
        hash_of(&self.root, DEPTH)
    }

    /// The account at `index`, all zeros if never set.
    pub fn get(&self, index: u16) -> Result<Account, MissingAccount> {
        self.open(index).map(|(account, _)| account)
    }

    /// The account at `index` with the nodes beside its path.
    pub fn open(&self, index: u16) -> Result<(Account, Siblings), MissingAccount> {
        let mut siblings = [Fr::default(); DEPTH];
        let mut link = &self.root;
        for level in (0..DEPTH).rev() {
            let side = usize::from(index >> level & 1);
            match link.as_deref() {
                None => siblings[level] = empty(level),
                Some(Node::Branch { children, .. }) => {
                    siblings[level] = hash_of(&children[1 - side], level);
                    link = &children[side];
                }
                Some(_) => return Err(MissingAccount(index)),
            }
        }
        match link.as_deref() {
            None => Ok((Account::default(), siblings)),
            Some(Node::Leaf { account, .. }) => Ok((*account, siblings)),
            Some(_) => Err(MissingAccount(index)),
        }
    }

    /// Replaces the account at `index`. The tree is unchanged on an error.
    pub fn set(&mut self, index: u16, account: Account) -> Result<(), MissingAccount> {
        self.root = replace(&self.root, index, DEPTH, account)?;
        Ok(())
    }

    /// The nodes `levels` levels below the root, from left to right.
    pub fn top(&self, levels: usize) -> Result<Vec<Fr>, MissingAccount> {
        let mut nodes = vec![&self.root];
        for _ in 0..levels {
            let mut below = Vec::with_capacity(2 * nodes.len());
            for link in nodes {
                match link.as_deref() {
                    None => below.extend([&None, &None]),
                    Some(Node::Branch { children, .. }) => below.extend(children),
                    Some(_) => return Err(MissingAccount((below.len() << (DEPTH - levels)) as u16)),
                }
            }
            nodes = below;
        }
        Ok(nodes.into_iter().map(|link| hash_of(link, DEPTH - levels)).collect())
    }

    /// The same tree holding no more than the accounts at `indices` (and not those that were left out before) and the
    /// nodes down to `top` levels below the root.
    pub fn subset(&self, indices: &[u16], top: usize) -> Self {
        let mut sorted = indices.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        Self { root: prune(&self.root, DEPTH, &sorted, DEPTH - top.min(DEPTH)) }
    }

    /// Pre-order bytes: a tag for each node, then for a stub its hash, for a leaf key.x, key.y (32 bytes each), balance
    /// and nonce (8 bytes each), for a branch its two children. Integers are big-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&self.root, &mut bytes);
        bytes
    }

    /// Reads what [`Tree::to_bytes`] wrote and computes the hashes anew.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TreeError> {
        let mut rest = bytes;
        let root = read(&mut rest, DEPTH)?;
        if rest.is_empty() { Ok(Self { root }) } else { Err(TreeError::Trailing) }
    }
}

/// The hash of a subtree of empty accounts with `level` levels.
pub fn empty(level: usize) -> Fr {
    static EMPTY: OnceLock<[Fr; DEPTH + 1]> = OnceLock::new();
    EMPTY.get_or_init(|| {
        let mut hashes = [Account::default().hash(); DEPTH + 1];
        for level in 1..=DEPTH {
            hashes[level] = poseidon::hash(&[hashes[level - 1]; 2]);
        }
        hashes
    })[level]
}

fn hash_of(link: &Link, level: usize) -> Fr {
    match link.as_deref() {
        None => empty(level),
        Some(Node::Leaf { hash, .. } | Node::Branch { hash, .. } | Node::Stub { hash }) => *hash,
    }
}

fn leaf(account: Account) -> Link {
    Some(Arc::new(Node::Leaf { hash: account.hash(), account }))
}

fn branch(children: [Link; 2], level: usize) -> Link {
    let hash = poseidon::hash(&[hash_of(&children[0], level - 1), hash_of(&children[1], level - 1)]);
    Some(Arc::new(Node::Branch { hash, children }))
}

fn build(accounts: &[Account], level: usize) -> Link {
    match (accounts, level) {
        ([], _) => None,
        ([account, ..], 0) => leaf(*account),
        _ => {
            let (left, right) = accounts.split_at(accounts.len().min(1 << (level - 1)));
            branch([build(left, level - 1), build(right, level - 1)], level)
        }
    }
}

fn replace(link: &Link, index: u16, level: usize, account: Account) -> Result<Link, MissingAccount> {
    let mut children = match (link.as_deref(), level) {
        (Some(Node::Stub { .. }), _) => return Err(MissingAccount(index)),
        (_, 0) => return Ok(leaf(account)),
        (Some(Node::Branch { children, .. }), _) => children.clone(),
        _ => [None, None],
    };
    let side = usize::from(index >> (level - 1) & 1);
    children[side] = replace(&children[side], index, level - 1, account)?;
    Ok(branch(children, level))
}

/// `indices` are sorted, and their bits above `level` are those of this subtree. Nodes above `keep` stay.
fn prune(link: &Link, level: usize, indices: &[u16], keep: usize) -> Link {
    let node = link.as_ref()?;
    match node.as_ref() {
        _ if indices.is_empty() && level <= keep => Some(Arc::new(Node::Stub { hash: hash_of(link, level) })),
        Node::Branch { hash, children } => {
            let (left, right) =
                indices.split_at(indices.partition_point(|index| index >> (level - 1) & 1 == 0));
            let children =
                [prune(&children[0], level - 1, left, keep), prune(&children[1], level - 1, right, keep)];
            Some(Arc::new(Node::Branch { hash: *hash, children }))
        }
        Node::Leaf { .. } | Node::Stub { .. } => Some(Arc::clone(node)),
    }
}

fn write(link: &Link, bytes: &mut Vec<u8>) {
    match link.as_deref() {
        None => bytes.push(TAG_EMPTY),
        Some(Node::Stub { hash }) => {
            bytes.push(TAG_STUB);
            bytes.extend_from_slice(&word::from_field(hash));
        }
        Some(Node::Branch { children, .. }) => {
            bytes.push(TAG_BRANCH);
            for child in children {
                write(child, bytes);
            }
        }
        Some(Node::Leaf { account, .. }) => {
            bytes.push(TAG_LEAF);
            bytes.extend_from_slice(&word::from_field(&account.key.x));
            bytes.extend_from_slice(&word::from_field(&account.key.y));
            bytes.extend_from_slice(&account.balance.to_be_bytes());
            bytes.extend_from_slice(&account.nonce.to_be_bytes());
        }
    }
}

fn read(bytes: &mut &[u8], level: usize) -> Result<Link, TreeError> {
    let [tag] = take(bytes)?;
    match tag {
        TAG_EMPTY => Ok(None),
        TAG_STUB => Ok(Some(Arc::new(Node::Stub { hash: take_field(bytes)? }))),
        TAG_BRANCH if level > 0 => Ok(branch([read(bytes, level - 1)?, read(bytes, level - 1)?], level)),
        TAG_LEAF if level == 0 => Ok(leaf(Account {
            key: PublicKey { x: take_field(bytes)?, y: take_field(bytes)? },
            balance: u64::from_be_bytes(take(bytes)?),
            nonce: u64::from_be_bytes(take(bytes)?),
        })),
        _ => Err(TreeError::Tag(tag)),
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], TreeError> {
    let (head, tail) = bytes.split_first_chunk().ok_or(TreeError::Truncated)?;
    *bytes = tail;
    Ok(*head)
}

fn take_field(bytes: &mut &[u8]) -> Result<Fr, TreeError> {
    let word: Word = take(bytes)?;
    word::to_field(&word).ok_or(TreeError::NotCanonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(i: u64) -> Account {
        Account { key: PublicKey { x: Fr::from(i), y: Fr::from(i + 1) }, balance: i * 10, nonce: i }
    }

    fn root_over(account: &Account, index: u16, siblings: &Siblings) -> Fr {
        siblings.iter().enumerate().fold(account.hash(), |node, (level, sibling)| {
            if index >> level & 1 == 0 {
                poseidon::hash(&[node, *sibling])
            } else {
                poseidon::hash(&[*sibling, node])
            }
        })
    }

    #[test]
    fn updates_agree_with_building_and_with_paths() {
        let accounts: Vec<_> = (1..6).map(account).collect();
        let built = Tree::new(&accounts);
        let mut updated = Tree::default();
        for (index, account) in accounts.iter().enumerate().rev() {
            updated.set(index as u16, *account).expect("the tree is whole");
        }
        assert_eq!(built.root(), updated.root());
        for index in [0, 3, 4, 5, 6, u16::MAX] {
            let (account, siblings) = built.open(index).expect("the tree is whole");
            assert_eq!(root_over(&account, index, &siblings), built.root(), "index {index}");
        }
        assert_eq!(Tree::new(&[]).root(), empty(DEPTH));
    }

    #[test]
    fn copies_are_independent() {
        let before = Tree::new(&[account(1)]);
        let mut after = before.clone();
        after.set(0, account(2)).expect("the tree is whole");
        assert_eq!(before.get(0), Ok(account(1)));
        assert_ne!(before.root(), after.root());
    }

    #[test]
    fn a_subset_has_the_same_root_and_only_its_accounts() {
        let accounts: Vec<_> = (1..40).map(account).collect();
        let mut tree = Tree::new(&accounts);
        tree.set(40_000, account(7)).expect("the tree is whole");
        let mut part = tree.subset(&[3, 17, 900], 0);
        assert_eq!(part.root(), tree.root());
        assert_eq!(part.open(17), tree.open(17));
        assert_eq!(part.get(900), Ok(Account::default()));
        assert_eq!(part.get(4), Err(MissingAccount(4)));
        assert!(part.top(3).is_err());
        let topped = tree.subset(&[3], 3);
        let top = tree.top(3).expect("the tree is whole");
        assert_eq!((top.len(), top[1]), (8, empty(DEPTH - 3)));
        assert_eq!(topped.top(3), Ok(top));
        assert_eq!(Tree::from_bytes(&topped.to_bytes()).map(|tree| tree.root()), Ok(tree.root()));
        assert_eq!(part.set(4, account(1)), Err(MissingAccount(4)));
        let mut whole = tree;
        whole.set(3, account(99)).expect("the tree is whole");
        part.set(3, account(99)).expect("the subset holds it");
        assert_eq!(part.root(), whole.root());
        let bytes = part.to_bytes();
        let again = Tree::from_bytes(&bytes).expect("the bytes were just written");
        assert_eq!((again.root(), again.to_bytes()), (part.root(), bytes));
    }

    #[test]
    fn bad_bytes_are_refused() {
        let bytes = Tree::new(&[account(1)]).to_bytes();
        let error = |bytes: &[u8]| Tree::from_bytes(bytes).map(|tree| tree.root());
        assert_eq!(error(&bytes[..bytes.len() - 1]), Err(TreeError::Truncated));
        assert_eq!(error(&[&bytes[..], &[0]].concat()), Err(TreeError::Trailing));
        assert_eq!(error(&[9]), Err(TreeError::Tag(9)));
        assert_eq!(error(&[TAG_LEAF]), Err(TreeError::Tag(TAG_LEAF)));
        assert_eq!(error(&[&[TAG_BRANCH; 17][..], &[0]].concat()), Err(TreeError::Tag(TAG_BRANCH)));
        assert_eq!(error(&[&[TAG_STUB][..], &[0xff; 32]].concat()), Err(TreeError::NotCanonical));
    }
}
