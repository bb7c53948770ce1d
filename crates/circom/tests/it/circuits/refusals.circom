pragma circom 2.1.0;

// Fails in every way that a circuit's program can.
template Refusals() {
    signal input payee;
    signal input ignored;
    signal input a[2];
    signal input b;
    signal output c;

    // Neither says anything about its signal.
    0 * ignored === 0;

    assert(b != 7);
    log("b is", b);
    c <== payee * a[0] + a[1];
    // No assertion of the program's stands behind a witness that breaks this one.
    signal inverse;
    inverse <-- b == 0 ? 0 : 1 / b;
    inverse * b === 1;
}

component main {public [payee, ignored]} = Refusals();
