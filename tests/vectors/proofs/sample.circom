pragma circom 2.1.6;

// "I know w with w^2 = x, and w^3 = out." The payee is in a constraint of its own, so a proof for one is none for another.
// Public signals as circom has them: [out, x, payee]; as a market has them: [x, out, payee].
template Sample() {
    signal input x;
    signal input payee;
    signal input w;
    signal output out;

    x === w * w;
    out <== x * w;
    signal payeeSquared <== payee * payee;
}

component main {public [x, payee]} = Sample();
