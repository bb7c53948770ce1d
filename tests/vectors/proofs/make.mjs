// node tests/vectors/proofs/make.mjs: proofs of sample.circom by snarkjs with Groth16, PLONK and fflonk, and the verifiers that
// snarkjs generates for them. Needs what package.json names: circom2, snarkjs, solc. Every run makes other keys: the powers of tau
// are of this machine and for tests alone. The generated Solidity is under the GPL, so it is compiled and only the code is kept.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile, here, joined, root, versionOf, word, write } from "./compile.mjs";

const snarkjs = createRequire(import.meta.url)("snarkjs");
const work = mkdtempSync(join(tmpdir(), "proofs-"));
const at = name => join(work, name);
const systems = ["groth16", "plonk", "fflonk"];
const template = system => readFileSync(join(root, `node_modules/snarkjs/templates/verifier_${system}.sol.ejs`), "utf8");
const templates = Object.fromEntries(systems.map(system => [system, template(system)]));

// The 24 words of fflonk's proof, which snarkjs's own exportSolidityCallData cannot be called for from outside.
const fflonkWords = ({ polynomials: { C1, C2, W1, W2 }, evaluations: e }) =>
  [C1, C2, W1, W2].flatMap(point => point.slice(0, 2)).concat(
    [e.ql, e.qr, e.qm, e.qo, e.qc, e.s1, e.s2, e.s3, e.a, e.b, e.c, e.z, e.zw, e.t1w, e.t2w, e.inv],
  );

async function proofWords(system, proof, publicSignals) {
  if (system === "fflonk") return fflonkWords(proof);
  const words = (await snarkjs[system].exportSolidityCallData(proof, publicSignals)).match(/0x[0-9a-fA-F]+/g);
  return words.slice(0, words.length - publicSignals.length);
}

async function main() {
  cpSync(join(here, "sample.circom"), at("sample.circom"));
  execFileSync(join(root, "node_modules/.bin/circom2"), ["sample.circom", "--r1cs", "--wasm"], { cwd: work, stdio: "inherit" });

  const curve = await snarkjs.curves.getCurveFromName("bn128");
  await snarkjs.powersOfTau.newAccumulator(curve, 8, at("0.ptau"));
  await snarkjs.powersOfTau.contribute(at("0.ptau"), at("1.ptau"), "tests", "for tests alone");
  await snarkjs.powersOfTau.preparePhase2(at("1.ptau"), at("final.ptau"));

  const payee = 0x00000000000000000000000000000000000a11cen;
  const input = { x: (12345n * 12345n).toString(), payee: payee.toString(), w: "12345" };

  await snarkjs.zKey.newZKey(at("sample.r1cs"), at("final.ptau"), at("groth16_0.zkey"));
  const unfinished = await snarkjs.zKey.exportVerificationKey(at("groth16_0.zkey"));
  await snarkjs.zKey.contribute(at("groth16_0.zkey"), at("groth16.zkey"), "tests", "for tests alone");
  await snarkjs.plonk.setup(at("sample.r1cs"), at("final.ptau"), at("plonk.zkey"));
  await snarkjs.fflonk.setup(at("sample.r1cs"), at("final.ptau"), at("fflonk.zkey"));
  write("groth16_unfinished_verification_key.json", unfinished);

  for (const system of systems) {
    const zkey = at(`${system}.zkey`);
    const wasm = at("sample_js/sample.wasm");
    const key = await snarkjs.zKey.exportVerificationKey(zkey);
    const { proof, publicSignals } = await snarkjs[system].fullProve(input, wasm, zkey);
    if (!(await snarkjs[system].verify(key, publicSignals, proof))) throw new Error(`${system}: the proof does not verify`);
    write(`${system}_verification_key.json`, key);
    write(`${system}_proof.json`, { proof, publicSignals });

    const source = await snarkjs.zKey.exportSolidityVerifier(zkey, templates);
    const [, contract] = source.match(/^contract (\w+)/m);
    const [out, x, to] = publicSignals;
    const file = `${system}.sol`;
    write(`${system}.json`, {
      from: `${contract} as snarkjs ${versionOf("snarkjs")} generates it, compiled by solc ${versionOf("solc")}; see README.md`,
      inputs: [x, out, to].map(word),
      proof: joined(await proofWords(system, proof, publicSignals)),
      code: compile({ [file]: source }, file, contract),
    });
  }
}

main()
  .then(() => process.exit(0))
  .catch(error => {
    console.error(error);
    process.exit(1);
  });
process.on("exit", () => rmSync(work, { recursive: true, force: true }));
