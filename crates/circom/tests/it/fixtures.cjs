// Makes what the tests read, with circom's own tools:
//   node fixtures.cjs MODULES powers OUT POWER
//   node fixtures.cjs MODULES compile OUT SOURCE [FLAG…]      r1cs, wasm, sym
//   node fixtures.cjs MODULES setup OUT NAME POWERS           zkey
//   node fixtures.cjs MODULES input OUT NAME LENGTH           input.json
//   node fixtures.cjs MODULES prove OUT NAME                  wtns, and vkey, proof and public as JSON
//   node fixtures.cjs MODULES snarkjs OUT NAME                nothing: for its time
//   node fixtures.cjs MODULES verify KEY PUBLIC PROOF         exit code 0 if the proof holds
'use strict'
const fs = require('fs')
const path = require('path')

const modules = fs.realpathSync(process.argv[2])
const [command, out, ...rest] = process.argv.slice(3)
const load = (name) => require(path.join(modules, name))
const at = (name) => path.join(out, name)
const write = (name, value) => fs.writeFileSync(at(name), JSON.stringify(value))

// circom sees no links, so its folders are mapped by their real paths.
async function compile(source, ...flags) {
  const { CircomRunner, bindings } = load('circom2')
  const circom = new CircomRunner({
    args: ['/src/' + path.basename(source), '--r1cs', '--wasm', '--sym', '-l', '/lib', '-o', '/out', ...flags],
    env: {},
    preopens: { '/lib': modules, '/src': fs.realpathSync(path.dirname(source)), '/out': fs.realpathSync(out) },
    bindings: { ...bindings, fs, exit: (code) => process.exit(code), kill: () => process.exit(1) },
  })
  await circom.execute(fs.readFileSync(path.join(modules, 'circom2/circom.wasm')))
}

async function powers(power) {
  const { powersOfTau, curves } = load('snarkjs')
  const curve = await curves.getCurveFromName('bn128')
  await powersOfTau.newAccumulator(curve, Number(power), at('0.ptau'))
  await powersOfTau.contribute(at('0.ptau'), at('1.ptau'), 'tests', 'not secret')
  await powersOfTau.preparePhase2(at('1.ptau'), at('final.ptau'))
  for (const file of ['0.ptau', '1.ptau']) fs.rmSync(at(file))
}

async function setup(name, ptau) {
  const { zKey } = load('snarkjs')
  await zKey.newZKey(at(name + '.r1cs'), ptau, at(name + '.unfinished.zkey'))
  await zKey.contribute(at(name + '.unfinished.zkey'), at(name + '.zkey'), 'tests', 'not secret either')
}

async function prove(name) {
  const { groth16, wtns, zKey } = load('snarkjs')
  write(name + '.vkey.json', await zKey.exportVerificationKey(at(name + '.zkey')))
  const input = JSON.parse(fs.readFileSync(at(name + '.input.json')))
  await wtns.calculate(input, at(`${name}_js/${name}.wasm`), at(name + '.wtns'))
  const { proof, publicSignals } = await groth16.prove(at(name + '.zkey'), at(name + '.wtns'))
  write(name + '.proof.json', proof)
  write(name + '.public.json', publicSignals)
}

async function verify(key, pub, proof) {
  const [vkey, inputs, points] = [key, pub, proof].map((file) => JSON.parse(fs.readFileSync(file)))
  if (!(await load('snarkjs').groth16.verify(vkey, inputs, points))) process.exit(2)
}

const payee = '0x00000000000000000000000000000000c0ffee00'

const inputs = {
  async merkle(length) {
    const poseidon = await load('circomlibjs').buildPoseidon()
    const hash = (a, b) => poseidon.F.toString(poseidon([a, b]))
    const sides = [0, 1, 1, 0, 1, 0, 0, 1, 0, 1].slice(0, length)
    const siblings = sides.map((_, i) => String(1000 + i))
    const root = siblings.reduce((node, it, i) => (sides[i] ? hash(it, node) : hash(node, it)), '42')
    return { root, payee, leaf: 42, siblings, sides }
  },
  async eddsa() {
    const eddsa = await load('circomlibjs').buildEddsa()
    const F = eddsa.babyJub.F
    const key = Buffer.alloc(32, 7)
    const M = F.e(123456789)
    const { R8, S } = eddsa.signPoseidon(key, M)
    const A = eddsa.prv2pub(key)
    const text = (value) => F.toString(value)
    return { payee, Ax: text(A[0]), Ay: text(A[1]), M: text(M), R8x: text(R8[0]), R8y: text(R8[1]), S: S.toString() }
  },
  async chain() {
    return { payee, start: '-1' }
  },
  async refusals() {
    return { payee, ignored: 9, a: [3, '0x4'], b: 5 }
  },
}

const commands = {
  powers,
  compile,
  setup,
  prove,
  input: async (name, length) => write(name + '.input.json', await inputs[name](Number(length))),
  verify: (pub, proof) => verify(out, pub, proof),
}

commands[command](...rest).then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  },
)
