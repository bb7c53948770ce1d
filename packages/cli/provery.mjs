#!/usr/bin/env node
// Starts the program that the platform's package has, and ends as it does.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { constants } from "node:os";

const ARCHITECTURES = { x64: "amd64", arm64: "arm64" };
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"];

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}

function program() {
  const name = `@provery/cli-${process.platform}-${ARCHITECTURES[process.arch] ?? process.arch}`;
  try {
    return createRequire(import.meta.url).resolve(`${name}/bin/provery`);
  } catch {
    const unless = "install @provery/cli without --omit=optional, or build it: cargo install --locked --path crates/cli";
    return fail(`the package ${name} with the program for this platform is not installed; ${unless}`);
  }
}

const child = spawn(program(), process.argv.slice(2), { stdio: "inherit" });
for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
child.on("error", error => fail(`the program does not start (${error.message}); install @provery/cli anew`));
child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
