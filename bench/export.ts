import { spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as TF from '@tensorflow/tfjs'
import ort from 'onnxruntime-node'
import { largestDifference } from '../export/verify.js'
import { findModel } from '../models/catalog.js'
import { useEngine } from '../nets/engine.js'
import { networkFacts } from '../nets/facts.js'
import { generatorSchema, makeGenerator } from '../nets/generator.js'
import type { CollapsibleLayer } from '../nets/layers/collapsible-conv.js'
import { loadModel, saveModel } from '../nets/model-files.js'
import { safetensors } from '../nets/safetensors.js'
import type { Weight } from '../nets/torch-file.js'
import { drawPhoto } from '../test/support/draw.js'
import { startPeer } from './peer.js'
import { peakMemory } from './proc.js'
import type { Figure, Row } from './rows.js'
import type { Setting } from './setting.js'
import { compare, inTurn, median } from './statistics.js'
import { pythonWithTorch } from './train.js'

/** From `dist/bench/` to `bench/peers/`. */
const program = fileURLToPath(new URL('../../bench/peers/export.py', import.meta.url))
const uprez = fileURLToPath(new URL('../bin/uprez.js', import.meta.url))

/** Our file of fast-x4 against those that torch.onnx writes of the same weights, and how long exports take. */
export async function benchExport(setting: Setting): Promise<Row[]> {
  return [...(await againstTorch(setting)), ...(await exports(setting))]
}

interface TorchReady {
  torch: string
  /** File by the way in which it was written: of the network as we ship it, and as it is trained. */
  deployed: Record<string, string>
  trained: Record<string, string>
  failed: Record<string, string>
}

async function againstTorch(setting: Setting): Promise<Row[]> {
  const names = ['the ONNX file of fast-x4', 'collapsed fast-x4'] as const
  const command = pythonWithTorch()
  if (command === undefined) return names.map(name => ({ name, reason: 'no Python with torch (UPREZ_BENCH_PYTHON)' }))
  const { folder: model, card } = await findModel('fast-x4')
  const folder = join(setting.folder, 'export')
  await mkdir(folder, { recursive: true })
  const weights = join(folder, 'weights.safetensors')
  const { slope, tensors } = await weightsOf(join(model, 'weights'))
  await writeFile(weights, safetensors(tensors, {}))
  const torch = await startPeer<TorchReady>(command, [program, weights, folder, String(card.scale), String(slope)])
  await torch.close()
  const { ready } = torch
  for (const [way, reason] of Object.entries(ready.failed)) setting.say(`torch.onnx, ${way}: ${reason}`)

  const side = setting.quick ? 48 : 192
  const picture = planes(side)
  const ours = await open(join(model, card.model.file), setting)
  const rows: Row[] = []
  for (const [i, files] of [ready.deployed, ready.trained].entries()) {
    if (Object.keys(files).length === 0) {
      rows.push({ name: names[i]!, reason: `torch.onnx writes nothing here: ${Object.values(ready.failed)[0]}` })
      continue
    }
    const peer = await fastest(files, picture, setting)
    const difference = largestDifference(await answer(ours, picture), await answer(peer.session, picture))
    if (!(difference <= 1e-4)) throw new Error(`the networks differ: by ${difference} (torch.onnx, ${peer.way})`)
    const count = Math.max(1, Math.round((setting.quick ? 0.1 : 1.5) / peer.seconds))
    const rate = (session: ort.InferenceSession) => async () => {
      const start = performance.now()
      for (let run = 0; run < count; run++) await answer(session, picture)
      return (count * side ** 2) / 1e3 / ((performance.now() - start) / 1000)
    }
    const pairs = await inTurn(setting.quick ? 1 : 9, rate(ours), rate(peer.session))
    rows.push({
      name: names[i]!,
      unit: 'kpixel/s',
      ours: `${card.id}'s model.onnx in onnxruntime-node, ${setting.threads} threads, windows of ${side}×${side}; input pixels`,
      peer: `${i === 0 ? 'the same weights as a PyTorch module' : 'the network as it is trained, its kernels in two factors'}, written by torch.onnx of PyTorch ${ready.torch} (${peer.way}: the fastest of ${Object.keys(files).length} ways), in the same process`,
      result: compare(pairs),
      beside: [{ name: 'largest difference', value: difference, unit: 'of 1' }],
    })
    await peer.session.release()
  }
  await ours.release()
  return rows
}

/** The network's convolutions as they are deployed and as they are trained, in PyTorch's layout. */
async function weightsOf(folder: string): Promise<{ slope: number; tensors: Map<string, Weight> }> {
  const tf = await useEngine('wasm')
  const model = await loadModel(tf, folder)
  const tensors = new Map<string, Weight>()
  const put = (key: string, value: TF.Tensor, order: number[]) => {
    const turned = tf.transpose(value, order)
    tensors.set(key, { shape: turned.shape, data: turned.dataSync() as Float32Array })
    turned.dispose()
  }
  let slope = 1
  for (const layer of model.layers.filter(layer => 'collapsed' in layer)) {
    const { kernel, bias } = (layer as CollapsibleLayer).collapsed()
    const [expand, project] = layer.getWeights()
    put(`${layer.name}.weight`, kernel, [3, 2, 0, 1])
    put(`${layer.name}.bias`, bias, [0])
    put(`${layer.name}.expand`, expand!, [3, 2, 0, 1])
    put(`${layer.name}.project`, project!, [1, 0])
    kernel.dispose()
    slope = Math.min(slope, (layer as CollapsibleLayer).slope)
  }
  model.dispose()
  return { slope, tensors }
}

/** Of the ways in which PyTorch can write the network, the one that has to be beaten. */
async function fastest(files: Record<string, string>, picture: ort.Tensor, setting: Setting) {
  const timed: { way: string; session: ort.InferenceSession; seconds: number }[] = []
  for (const [way, file] of Object.entries(files)) {
    const session = await open(file, setting)
    const times: number[] = []
    for (let run = 0; run < (setting.quick ? 2 : 7); run++) {
      const start = performance.now()
      await answer(session, picture)
      times.push((performance.now() - start) / 1000)
    }
    timed.push({ way, session, seconds: median(times.slice(1)) })
    setting.say(`torch.onnx, ${way}: ${(1000 * timed.at(-1)!.seconds).toFixed(1)} ms`)
  }
  const [first, ...others] = timed.sort((a, b) => a.seconds - b.seconds)
  for (const { session } of others) await session.release()
  return first!
}

function open(file: string, { threads }: Setting): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(file, { executionProviders: ['cpu'], intraOpNumThreads: threads, logSeverityLevel: 3 })
}

async function answer(session: ort.InferenceSession, picture: ort.Tensor): Promise<Float32Array> {
  const answers = await session.run({ [session.inputNames[0]!]: picture })
  return answers[session.outputNames[0]!]!.data as Float32Array
}

function planes(side: number): ort.Tensor {
  const { data } = drawPhoto(side, side)
  const size = side ** 2
  return new ort.Tensor(
    'float32',
    Float32Array.from({ length: 3 * size }, (_, i) => data[3 * (i % size) + Math.floor(i / size)]! / 255),
    [1, 3, side, side],
  )
}

/** Whole commands, from start to end. */
async function exports(setting: Setting): Promise<Row[]> {
  const networks = { srresnet: { kind: 'srresnet' }, rrdb: { kind: 'rrdb', ...(setting.quick && { blocks: 1 }) } }
  const rows: Row[] = []
  for (const [name, options] of Object.entries(networks)) {
    const run = join(setting.folder, `export-${name}`)
    const parameters = await writeRun(run, options)
    const rounds = []
    for (let round = 0; round < (setting.quick ? 1 : 3); round++) rounds.push(await timedExport(run, `${run}-onnx-x4`))
    setting.say(`export of ${name}: ${rounds.map(({ seconds }) => seconds.toFixed(1)).join(', ')} s`)
    rows.push({
      name: `uprez export, ${name}`,
      unit: 's',
      ours: `the whole command for ${parameters.toLocaleString('en')} parameters: read, simplify, write, compare with TensorFlow.js (wasm), measure the overlap, uint8 variant; median of ${rounds.length}`,
      value: median(rounds.map(({ seconds }) => seconds)),
      beside: [
        { name: 'without the comparison', value: median(rounds.map(({ seconds, compared }) => seconds - compared)), unit: 's' },
        ...memory(rounds.map(({ peak }) => peak)),
      ],
    })
  }
  return rows
}

function memory(peaks: (number | undefined)[]): Figure[] {
  const known = peaks.filter(peak => peak !== undefined)
  return known.length === 0 ? [] : [{ name: 'peak memory', value: Math.max(...known) / 1000, unit: 'GB' }]
}

/** A run folder with a network of random weights. */
async function writeRun(folder: string, options: object): Promise<number> {
  const tf = await useEngine('wasm')
  const scale = 4
  const model = makeGenerator(tf, generatorSchema.parse(options), scale, 0)
  const training = { preset: 'bench', overrides: {}, steps: 0, seed: 0, engine: 'wasm', data: [], featureLoss: null }
  const about = { scale, ...networkFacts(model), training }
  await saveModel(model, join(folder, 'generator'), { 'about.json': JSON.stringify(about) })
  model.dispose()
  return about.parameters
}

/** Seconds from the start of the process to its end, and of these the comparison's; its peak memory in MB. */
async function timedExport(run: string, output: string): Promise<{ seconds: number; compared: number; peak: number | undefined }> {
  const start = performance.now()
  const child = spawn(process.execPath, [uprez, 'export', run, '-o', output], { stdio: ['ignore', 'ignore', 'pipe'] })
  const times: number[] = []
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words += text
    // A line for each stage; the first begins the comparison, the second ends it.
    for (const _ of text.matchAll(/\n/g)) times.push(performance.now())
  })
  let peak: number | undefined
  const watch = setInterval(() => {
    peak = peakMemory(child.pid!) ?? peak
  }, 20)
  const code = await new Promise(resolve => child.on('close', resolve))
  clearInterval(watch)
  if (code !== 0) throw new Error(words.trim())
  return { seconds: (performance.now() - start) / 1000, compared: (times[1]! - times[0]!) / 1000, peak }
}
