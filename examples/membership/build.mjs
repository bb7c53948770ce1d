// Compiles membership.circom and makes inputs, with what npm has: circom2, circomlib, circomlibjs.
//   node build.mjs OUT [N]    OUT/membership.{r1cs,sym,wasm}, OUT/input-1.json to input-N.json (3), OUT/root-1.txt to root-N.txt
import fs from 'node:fs'
import path from 'node:path'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const here = fs.realpathSync(path.dirname(new URL(import.meta.url).pathname))
const out = process.argv[2]
const count = Number(process.argv[3] ?? 3)
if (!out) {
  console.error('usage: node build.mjs OUT [N]')
  process.exit(1)
}
fs.mkdirSync(out, { recursive: true })

async function compile() {
  const { CircomRunner, bindings } = require('circom2')
  const modules = path.resolve(path.dirname(require.resolve('circomlib/package.json')), '..')
  const circom = new CircomRunner({
    args: ['/src/membership.circom', '--r1cs', '--wasm', '--sym', '--O2', '-l', '/lib', '-o', '/out'],
    env: {},
    // circom sees no links: its folders are given by their real paths.
    preopens: { '/lib': fs.realpathSync(modules), '/src': here, '/out': fs.realpathSync(out) },
    bindings: {
      ...bindings,
      fs,
      exit: (code) => {
        if (code) process.exit(code)
      },
      kill: () => process.exit(1),
    },
  })
  await circom.execute(fs.readFileSync(require.resolve('circom2/circom.wasm')))
  fs.copyFileSync(path.join(out, 'membership_js/membership.wasm'), path.join(out, 'membership.wasm'))
}

async function inputs() {
  const poseidon = await require('circomlibjs').buildPoseidon()
  const hash = (a, b) => poseidon.F.toString(poseidon([a, b]))
  for (let n = 1; n <= count; n++) {
    const leaf = String(1000 + n)
    const sides = [...Array(8).keys()].map((bit) => (n >> bit) & 1)
    const siblings = sides.map((_, level) => String(10 * n + level))
    const root = siblings.reduce((node, it, level) => (sides[level] ? hash(it, node) : hash(node, it)), leaf)
    fs.writeFileSync(path.join(out, `input-${n}.json`), JSON.stringify({ root, leaf, siblings, sides }) + '\n')
    fs.writeFileSync(path.join(out, `root-${n}.txt`), root + '\n')
  }
}

await inputs()
await compile()
process.exit(0)
