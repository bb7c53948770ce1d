pragma circom 2.1.0;

include "circomlib/circuits/poseidon.circom";
include "circomlib/circuits/switcher.circom";

// That a leaf is in the Merkle tree with a root, and which nullifier it has; whoever proves it is paid at a public address.
// The statement is the root, the output the nullifier. Slots are proven from leaf, siblings and sides, which are posted.
template Membership(depth) {
    signal input root;
    signal input leaf;
    signal input siblings[depth];
    signal input sides[depth];
    signal input payee;
    signal output nullifier;

    component hashes[depth];
    component switchers[depth];
    for (var i = 0; i < depth; i++) {
        sides[i] * (sides[i] - 1) === 0;
        switchers[i] = Switcher();
        switchers[i].sel <== sides[i];
        switchers[i].L <== i == 0 ? leaf : hashes[i - 1].out;
        switchers[i].R <== siblings[i];
        hashes[i] = Poseidon(2);
        hashes[i].inputs[0] <== switchers[i].outL;
        hashes[i].inputs[1] <== switchers[i].outR;
    }
    root === hashes[depth - 1].out;

    component last = Poseidon(1);
    last.inputs[0] <== leaf;
    nullifier <== last.out;

    // A public input that no constraint uses is bound by no proof.
    signal payeeSquared;
    payeeSquared <== payee * payee;
}

component main {public [root, payee]} = Membership(8);
