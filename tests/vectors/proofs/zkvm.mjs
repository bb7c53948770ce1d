// node tests/vectors/proofs/zkvm.mjs SP1_CONTRACTS RISC0: proofs of SP1 and RISC Zero with the verifiers they are for, out of a
// checkout of github.com/succinctlabs/sp1-contracts (MIT; gnark's verifiers in it Apache-2.0) at d3629729 and of
// the crate risc0-ethereum-contracts 3.0.1 (Apache-2.0, its Groth16 verifier GPL-3.0).
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { compile, root, versionOf, write } from "./compile.mjs";

const [sp1, risc0] = process.argv.slice(2);
const solc = `compiled by solc ${versionOf("solc")}; see README.md`;

// A file and all that it imports, each under the name by which it is imported.
function sourcesOf(file, read, sources = {}) {
  if (file in sources) return sources;
  sources[file] = read(file);
  for (const [, name] of sources[file].matchAll(/^import[^"]*"([^"]+)"/gm)) {
    sourcesOf(name.startsWith(".") ? normalize(join(dirname(file), name)) : name, read, sources);
  }
  return sources;
}

const hex = (source, name) => "0x" + source.match(new RegExp(`\\b${name}\\s*=\\s*(?:bytes32\\(0x|hex")([0-9a-fA-F]+)`))[1];

for (const [system, file, test] of [
  ["groth16", "SP1VerifierGroth16", "SP1VerifierGroth16V6.sol"],
  ["plonk", "SP1VerifierPlonk", "SP1VerifierPlonkV6.t.sol"],
]) {
  const source = readFileSync(join(sp1, "contracts/test", test), "utf8");
  const name = `src/v6.0.0/${file}.sol`;
  const sources = sourcesOf(name, at => readFileSync(join(sp1, "contracts", at), "utf8"));
  const values = hex(source, "PUBLIC_VALUES").slice(2);
  write(`sp1_${system}.json`, {
    from: `contracts/${name} and contracts/test/${test} of succinctlabs/sp1-contracts, ${solc}`,
    id: hex(source, "PROGRAM_VKEY"),
    inputs: values.match(/.{64}/g).map(word => "0x" + word),
    proof: hex(source, "PROOF_BYTES"),
    code: compile(sources, name, "SP1Verifier"),
  });
}

const receipt = readFileSync(join(risc0, "test/TestReceiptV3_0.sol"), "utf8");
const control = readFileSync(join(risc0, "src/groth16/ControlID.sol"), "utf8");
const name = "src/groth16/RiscZeroGroth16Verifier.sol";
const sources = sourcesOf(name, at => {
  const library = at.match(/^openzeppelin\/(.*)$/);
  return readFileSync(library ? join(root, "node_modules/@openzeppelin", library[1]) : join(risc0, at), "utf8");
});
const journal = hex(receipt, "JOURNAL").slice(2);
const words = journal.padEnd(64 * Math.ceil(journal.length / 64), "0").match(/.{64}/g);
write("risc0.json", {
  from: `${name} and test/TestReceiptV3_0.sol of the crate risc0-ethereum-contracts 3.0.1, ${solc}`,
  id: hex(receipt, "IMAGE_ID"),
  journalBytes: journal.length / 2,
  inputs: words.map(word => "0x" + word),
  proof: hex(receipt, "SEAL"),
  code: compile(sources, name, "RiscZeroGroth16Verifier") + hex(control, "CONTROL_ROOT").slice(2) + hex(control, "BN254_CONTROL_ID").slice(2),
});
