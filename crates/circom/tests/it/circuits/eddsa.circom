pragma circom 2.1.0;

include "circomlib/circuits/eddsaposeidon.circom";

// A public key's signature of a public message, paid to a public address.
template Signature() {
    signal input payee;
    signal input Ax;
    signal input Ay;
    signal input M;
    signal input R8x;
    signal input R8y;
    signal input S;

    signal payeeSquared;
    payeeSquared <== payee * payee;

    component verifier = EdDSAPoseidonVerifier();
    verifier.enabled <== 1;
    verifier.Ax <== Ax;
    verifier.Ay <== Ay;
    verifier.M <== M;
    verifier.R8x <== R8x;
    verifier.R8y <== R8y;
    verifier.S <== S;
}

component main {public [payee, Ax, Ay, M]} = Signature();
