// node tests/vectors/proofs/halo2.mjs [abi]: the proof and verifier of halo2/main.rs, or with `abi` of halo2_abi/main.rs, as a fixture.
// Builds a hundred crates, some minutes.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { compile, here, versionOf, write } from "./compile.mjs";

const [name, generator] =
  process.argv[2] === "abi" ? ["halo2_abi", "halo2-solidity-verifier f0626be"] : ["halo2", "snark-verifier 0.2.7"];
const manifest = join(here, name, "Cargo.toml");
const output = execFileSync("cargo", ["run", "--quiet", "--manifest-path", manifest], { maxBuffer: 1 << 28 });
const { inputs, proof, solidity } = JSON.parse(output);
// snark-verifier's is written for solc 0.8.19, whose optimizer finds room on the stack where later ones do not; the other's finds
// none without it.
const source = solidity.replace("solidity 0.8.19", "solidity ^0.8.19");
const [, contract] = source.match(/^contract (\w+)/m);
const file = `${name}.sol`;
write(`${name}.json`, {
  from: `${contract} as ${generator} generates it, compiled by solc ${versionOf("solc")}; see README.md`,
  inputs,
  proof,
  code: compile({ [file]: source }, file, contract, { yul: name === "halo2_abi" }),
});
