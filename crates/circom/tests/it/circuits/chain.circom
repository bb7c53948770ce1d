pragma circom 2.1.0;

include "circomlib/circuits/poseidon.circom";

// A number hashed LENGTH times, paid to a public address.
template Chain(length) {
    signal input payee;
    signal input start;
    signal output end;

    signal payeeSquared;
    payeeSquared <== payee * payee;

    component hashes[length];
    for (var i = 0; i < length; i++) {
        hashes[i] = Poseidon(2);
        hashes[i].inputs[0] <== i == 0 ? start : hashes[i - 1].out;
        hashes[i].inputs[1] <== i;
    }
    end <== hashes[length - 1].out;
}

component main {public [payee]} = Chain(LENGTH);
