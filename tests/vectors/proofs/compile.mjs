// Shared by the scripts beside it.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const here = dirname(fileURLToPath(import.meta.url));
export const root = join(here, "../../..");
export const word = value => "0x" + BigInt(value).toString(16).padStart(64, "0");
export const joined = words => "0x" + words.map(value => word(value).slice(2)).join("");
export const versionOf = name => JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")).version;

// The creation code of `contract` in `file`; `sources` has every file by the name under which it is imported.
// `details` chooses parts of the optimizer.
export function compile(sources, file, contract, details) {
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(Object.entries(sources).map(([name, content]) => [name, { content }])),
    settings: {
      optimizer: { enabled: true, runs: 10_000, details },
      evmVersion: "prague",
      metadata: { bytecodeHash: "none", appendCBOR: false },
      outputSelection: { [file]: { [contract]: ["evm.bytecode.object"] } },
    },
  };
  const solc = join(root, "script/solc");
  const output = JSON.parse(execFileSync(solc, ["--standard-json"], { input: JSON.stringify(input), maxBuffer: 1 << 28 }));
  for (const error of output.errors ?? []) if (error.severity === "error") throw new Error(error.formattedMessage);
  return "0x" + output.contracts[file][contract].evm.bytecode.object;
}

export const write = (name, content) => writeFileSync(join(here, name), JSON.stringify(content, null, 1) + "\n");
