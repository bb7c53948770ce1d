pragma circom 2.1.0;

include "circomlib/circuits/poseidon.circom";
include "circomlib/circuits/switcher.circom";

// Knowledge of a leaf below a public root, paid to a public address.
template Merkle(depth) {
    signal input root;
    signal input payee;
    signal input leaf;
    signal input siblings[depth];
    signal input sides[depth];

    signal payeeSquared;
    payeeSquared <== payee * payee;

    component switchers[depth];
    component hashes[depth];
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
}

component main {public [root, payee]} = Merkle(LENGTH);
