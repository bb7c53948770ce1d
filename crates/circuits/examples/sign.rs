//! Signs a transfer, for tests/vectors/circomlib.mjs to verify: `cargo run -p provery-circuits --example sign`.

use provery_circuits::{Fr, KeyPair, Transfer, word};
use serde_json::json;

fn main() {
    let private = [0x2a; 32];
    let pair = KeyPair::from_private(&private);
    let domain = Fr::from(31_337u32);
    let transfer = Transfer { from: 3, to: 9, amount: 1_000_000, fee: 25, nonce: 7 };
    let signature = transfer.sign(&pair, &domain).signature;
    let number = |word| word::to_field(&word).unwrap_or_default().to_string();
    let ours = json!({
        "private": hex::encode(private),
        "public": [pair.public().x.to_string(), pair.public().y.to_string()],
        "domain": domain.to_string(),
        "transfer": {
            "from": transfer.from,
            "to": transfer.to,
            "amount": transfer.amount,
            "fee": transfer.fee,
            "nonce": transfer.nonce,
        },
        "message": transfer.message(&domain).to_string(),
        "r8": [number(signature.r8_x), number(signature.r8_y)],
        "s": number(signature.s),
    });
    println!("{ours}");
}
