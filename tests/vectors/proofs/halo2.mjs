// node tests/vectors/proofs/halo2.mjs: halo2/main.rs's proof and verifier as a fixture. Builds a hundred crates, some minutes.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { compile, here, versionOf, write } from "./compile.mjs";

const manifest = join(here, "halo2/Cargo.toml");
const output = execFileSync("cargo", ["run", "--quiet", "--manifest-path", manifest], { maxBuffer: 1 << 28 });
const { inputs, proof, solidity } = JSON.parse(output);
// Written for solc 0.8.19, whose optimizer finds room on the stack where later ones do not.
const source = solidity.replace("solidity 0.8.19", "solidity ^0.8.19");
const [, contract] = solidity.match(/^contract (\w+)/m);
write("halo2.json", {
  from: `${contract} as snark-verifier 0.2.7 generates it, compiled by solc ${versionOf("solc")}; see README.md`,
  inputs,
  proof,
  code: compile({ "halo2.sol": source }, "halo2.sol", contract, { yul: false }),
});
