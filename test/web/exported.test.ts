import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import ortNode from 'onnxruntime-node'
import * as ortWasm from 'onnxruntime-web/wasm'
import type { Browser, Page } from 'playwright-core'
import type { Value } from '../../export/graph.js'
import { serialize } from '../../export/onnx.js'
import { largestDifference } from '../../export/verify.js'
import { everyGraph } from '../export/variety.js'
import { random } from '../support/draw.js'
import { temporaryFolder } from '../support/training.js'
import { type Host, ISOLATED, openBrowser, serveFolders } from './browser.js'

/** What the exporter writes loads in the browser's builds of ONNX Runtime, and answers as in Node's. */

interface Tensor {
  name: string
  type: 'float32' | 'uint8'
  dims: number[]
  data: number[]
}

interface Exported {
  name: string
  bytes: Uint8Array
  inputs: Tensor[]
  answers: Tensor[]
}

const folder = await temporaryFolder()
const files: Exported[] = []
for (const [name, graph] of await everyGraph()) {
  const [bytes, inputs] = [serialize(graph), graph.inputs.map(noise)]
  files.push({ name, bytes, inputs, answers: await run(ortNode as unknown as typeof ortWasm, 'cpu', bytes, inputs) })
}

test('wasm loads every file and answers as Node does', async t => {
  ortWasm.env.wasm.numThreads = 1
  for (const { name, bytes, inputs, answers } of files) {
    compare(name, await run(ortWasm, 'wasm', bytes, inputs), answers, 1e-5, t.diagnostic.bind(t))
  }
})

let host: Host
let browser: Browser
let page: Page
before(async () => {
  const dist = dirname(createRequire(import.meta.url).resolve('onnxruntime-web'))
  await writeFile(join(folder, 'index.html'), '<!doctype html><title>files</title>')
  for (const [i, { bytes }] of files.entries()) await writeFile(join(folder, `${i}.onnx`), bytes)
  host = await serveFolders(
    [
      ['/ort/', dist],
      ['/', folder],
    ],
    ISOLATED,
  )
  browser = await openBrowser('software webgpu')
  page = await browser.newPage()
  await page.goto(host.address)
  await page.evaluate(OPEN_WEBGPU)
})
after(async () => {
  await browser?.close()
  await host?.close()
})

/** Each takes SwiftShader seconds: those that have most of the nodes, types and ends between them. */
const ON_WEBGPU = ['srresnet ×4', 'fp16', 'int8', 'two pictures to three answers']

test('WebGPU, drawn in software, loads every kind of file and answers as Node does', async t => {
  const hasHalf = await page.evaluate('hasHalf')
  for (const name of ON_WEBGPU) {
    const i = files.findIndex(file => file.name === name)
    const { inputs, answers } = files[i]!
    const got = page.evaluate(`runFile(${i}, ${JSON.stringify(inputs)})`) as Promise<Tensor[]>
    if (name === 'fp16' && !hasHalf) {
      await assert.rejects(got, /requires f16 but the device does not support it/)
      t.diagnostic('fp16 was refused: the adapter has no half floats')
    } else compare(name, await got, answers, 1e-4, t.diagnostic.bind(t))
  }
})

const OPEN_WEBGPU = `(async () => {
  const ort = await import('/ort/ort.webgpu.bundle.min.mjs')
  ort.env.wasm.numThreads = 1
  ort.env.wasm.wasmPaths = '/ort/'
  globalThis.hasHalf = (await navigator.gpu.requestAdapter()).features.has('shader-f16')
  globalThis.runFile = async (i, inputs) => {
    const session = await ort.InferenceSession.create('/' + i + '.onnx', { executionProviders: [{ name: 'webgpu' }] })
    const tensorOf = ({ type, data, dims }) => new ort.Tensor(type, (type === 'uint8' ? Uint8Array : Float32Array).from(data), dims)
    const results = await session.run(Object.fromEntries(inputs.map(input => [input.name, tensorOf(input)])))
    const answers = []
    for (const name of session.outputNames) {
      const { type, dims } = results[name]
      answers.push({ name, type, dims: [...dims], data: Array.from(await results[name].getData()) })
    }
    await session.release()
    return answers
  }
})()`

async function run(ort: typeof ortWasm, provider: string, bytes: Uint8Array, inputs: Tensor[]): Promise<Tensor[]> {
  const session = await ort.InferenceSession.create(bytes, { executionProviders: [provider], logSeverityLevel: 3 })
  const results = await session.run(Object.fromEntries(inputs.map(input => [input.name, tensorOf(ort, input)])))
  await session.release()
  return session.outputNames.map(name => {
    const { type, dims, data } = results[name]!
    return { name, type: type as Tensor['type'], dims: [...dims], data: Array.from(data as Float32Array) }
  })
}

function tensorOf(ort: typeof ortWasm, { type, data, dims }: Tensor) {
  return type === 'uint8' ? new ort.Tensor(type, Uint8Array.from(data), dims) : new ort.Tensor(type, Float32Array.from(data), dims)
}

/** Of the sizes that are free: two pictures of 16×24, which all networks take. */
function noise({ name, type, dims }: Value): Tensor {
  const free: Record<string, number> = { batch: 2, height: 16, width: 24 }
  const sizes = dims.map(side => (typeof side === 'number' ? side : free[side]!))
  const next = random(7)
  const data = Array.from({ length: sizes.reduce((a, b) => a * b) }, () => (type === 'uint8' ? Math.floor(256 * next()) : next()))
  return { name, type: type as Tensor['type'], dims: sizes, data }
}

/** Bytes may tip over where a value lies between two of them. */
function compare(file: string, got: Tensor[], expected: Tensor[], limit: number, tell: (line: string) => void): void {
  assert.deepEqual(
    got.map(({ name, type, dims }) => ({ name, type, dims })),
    expected.map(({ name, type, dims }) => ({ name, type, dims })),
  )
  for (const [i, { name, type, data }] of expected.entries()) {
    const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 1)
    const difference = largestDifference(got[i]!.data, data)
    tell(`${file}, ${name}: ${difference.toExponential(1)} of ${largest.toFixed(0)}`)
    assert.ok(difference <= (type === 'uint8' ? 1 : limit * largest), `${file}, ${name} differs by ${difference} of ${largest}`)
  }
}
