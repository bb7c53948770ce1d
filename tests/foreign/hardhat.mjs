// Serves a chain of Hardhat's on a free port of this machine until its standard input ends. The argument is the
// network's configuration, as JSON.
import { createHardhatRuntimeEnvironment } from "hardhat/hre";

const network = { type: "edr-simulated", ...JSON.parse(process.argv[2]) };
const hre = await createHardhatRuntimeEnvironment({ networks: { served: network } }, {}, import.meta.dirname);
const server = await hre.network.createServer("served", "127.0.0.1", 0);
const { port } = await server.listen();
console.log(`Listening on 127.0.0.1:${port}`);
process.stdin.resume().on("end", () => process.exit(0));
