// Writes tests/vectors/circomlib.json with circomlibjs, and checks with it a transfer signed by provery-circuits. From the
// repository's root, after npm ci:
//
//   cargo run -p provery-circuits --example sign | node tests/vectors/circomlib.mjs > tests/vectors/circomlib.json
//
// The Rust tests compare with the file and need no JavaScript; run this again when circomlibjs changes.
import { readFileSync } from "node:fs";
import { buildBabyjub, buildEddsa, buildPoseidon, buildPoseidonReference } from "circomlibjs";

const fail = (text) => {
  console.error(`error: ${text}`);
  process.exit(1);
};

const [poseidon, reference, babyJub, eddsa] = await Promise.all([
  buildPoseidon(),
  buildPoseidonReference(),
  buildBabyjub(),
  buildEddsa(),
]);
const F = babyJub.F;
const text = (element) => F.toString(element);
const point = ([x, y]) => [text(x), text(y)];
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const MODULUS = F.p;
const LAST = MODULUS - 1n;

// Inputs small and large, with which every one of a width's constants matters.
const inputs = (count) => Array.from({ length: count }, (_, i) => (i % 3 === 2 ? LAST - BigInt(i) : BigInt(i * i + 1)));
const hashes = Array.from({ length: 16 }, (_, i) => {
  const preimage = inputs(i + 1);
  const hash = text(poseidon(preimage));
  if (hash !== text(reference(preimage))) fail(`circomlibjs disagrees with itself about ${i + 1} inputs`);
  return { inputs: preimage.map(String), hash };
});
if (text(poseidon([1n, 2n])) !== "7853200120776062878684798364095072458815029376092732009249414926327459813530")
  fail("this is not circomlib's Poseidon");

// The chain for more than sixteen inputs.
const chain = (preimage) => {
  let state = F.e(BigInt(preimage.length) << 64n);
  for (let at = 0; at < preimage.length; at += 16) state = poseidon(preimage.slice(at, at + 16), state);
  return text(state);
};
const chains = [17, 32, 38, 134].map((count) => ({ inputs: inputs(count).map(String), hash: chain(inputs(count)) }));

const order = babyJub.subOrder;
const scalars = [0n, 1n, 2n, 8n, order - 1n, order, order + 1n, LAST, 0x123456789abcdef0123456789abcdefn];
const multiples = scalars.map((scalar) => {
  const product = babyJub.mulPointEscalar(babyJub.Base8, scalar);
  return { scalar: String(scalar), point: point(product), packed: hex(babyJub.packPoint(product)) };
});

const messages = [0n, 1n, 1234n, LAST];
const keys = [0x00, 0x01, 0x7f, 0xff].map((byte, i) => {
  const privateKey = Uint8Array.from({ length: 32 }, (_, at) => (i === 0 ? 0 : (byte * (at + 1)) & 0xff));
  const publicKey = eddsa.prv2pub(privateKey);
  const signatures = messages.map((message) => {
    const signature = eddsa.signPoseidon(privateKey, F.e(message));
    if (!eddsa.verifyPoseidon(F.e(message), signature, publicKey)) fail("circomlibjs refuses its own signature");
    return { message: String(message), r8: point(signature.R8), s: String(signature.S) };
  });
  return { private: hex(privateKey), public: point(publicKey), packed: hex(babyJub.packPoint(publicKey)), signatures };
});

// What provery-circuits signed. A wallet needs no more than this to make or check a transfer.
const ours = JSON.parse(readFileSync(0, "utf8"));
const { from, to, amount, fee, nonce } = ours.transfer;
const unsigned = [from, to].reduce((sum, index) => (sum << 32n) | BigInt(index), 0n);
const payment = (((((unsigned << 64n) | BigInt(amount)) << 32n) | BigInt(fee)) << 64n) | BigInt(nonce);
const message = poseidon([BigInt(ours.domain), payment]);
if (text(message) !== ours.message) fail("the message of our transfer differs");
const element = ([x, y]) => [F.e(x), F.e(y)];
const signature = { R8: element(ours.r8), S: BigInt(ours.s) };
if (!eddsa.verifyPoseidon(message, signature, element(ours.public))) fail("circomlibjs refuses our signature");
if (eddsa.verifyPoseidon(F.e(1n), signature, element(ours.public))) fail("circomlibjs takes our signature for another's");
const again = eddsa.signPoseidon(Buffer.from(ours.private, "hex"), message);
if (String(again.S) !== ours.s || point(again.R8).join() !== ours.r8.join()) fail("circomlibjs signs otherwise");

const about = "circomlibjs 0.1.7; made by tests/vectors/circomlib.mjs, which also had circomlibjs verify `ours`";
console.log(JSON.stringify({ about, hashes, chains, multiples, keys, ours }, null, 2));
process.exit(0);
