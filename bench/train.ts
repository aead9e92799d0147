import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nativeAddon } from '../nets/native.js'
import { PRESETS } from '../train/presets.js'
import { type Peer, startPeer } from './peer.js'
import { drawPictures } from './pictures.js'
import type { Figure, Row } from './rows.js'
import type { Setting } from './setting.js'
import { compare, median, type Pair } from './statistics.js'
import type { TrainAnswer, TrainReady } from './train-child.js'
import { BATCH, NETWORKS, type NetworkName, PATCH } from './train-peer.js'

const child = fileURLToPath(new URL('./train-child.js', import.meta.url))
/** From `dist/bench/train.js` to `bench/peers/train.py`. */
const python = fileURLToPath(new URL('../../bench/peers/train.py', import.meta.url))

interface TorchReady {
  parameters: number
  torch: string
  layout: string
}

type Engine = 'tensorflow' | 'wasm'
const NAMES: Record<Engine, string> = { tensorflow: 'native', wasm: 'wasm' }
const WHERE: Record<Engine, string> = { tensorflow: 'native TensorFlow, its own choice of threads', wasm: 'wasm, one thread' }
/** The others take up to half a minute a step there. */
const ON_WASM = ['32x5', 'fast-x4', 'tiny']

/** Our engines against PyTorch on two networks, and the steps of the presets. */
export async function benchTrain(setting: Setting): Promise<Row[]> {
  const engines = (['tensorflow', 'wasm'] as const).filter(engine => engine !== 'tensorflow' || nativeAddon() !== undefined)
  const rows: Row[] = engines.includes('tensorflow')
    ? []
    : [{ name: 'train step, native', reason: 'the native engine is not set up (npm run setup -- tensorflow)' }]
  const names = Object.keys(NETWORKS) as NetworkName[]
  for (const name of setting.quick ? names.slice(0, 1) : names) rows.push(...(await againstTorch(name, enginesFor(name, engines), setting)))
  const pictures = await drawPictures(join(setting.folder, 'train'), 12)
  for (const engine of engines) {
    const presets = setting.quick ? ['tiny'] : Object.keys(PRESETS)
    for (const preset of presets) {
      if (enginesFor(preset, [engine]).length > 0) rows.push(await presetStep(engine, preset, pictures.folder, setting))
    }
  }
  return rows
}

function enginesFor(name: string, engines: readonly Engine[]): Engine[] {
  return engines.filter(engine => engine === 'tensorflow' || ON_WASM.includes(name))
}

async function againstTorch(name: NetworkName, engines: Engine[], setting: Setting): Promise<Row[]> {
  if (engines.length === 0) return []
  const { channels, blocks } = NETWORKS[name]
  const command = pythonWithTorch()
  const ours = await Promise.all(engines.map(engine => startPeer<TrainReady>(process.execPath, [child, engine, name])))
  const torch =
    command === undefined ? undefined : await startPeer<TorchReady>(command, [python, ...[setting.threads, channels, blocks].map(String)])
  try {
    const other = torch && ours.find(({ ready }) => ready.parameters !== torch.ready.parameters)
    if (other) throw new Error(`the networks differ: ${other.ready.parameters} parameters here, ${torch.ready.parameters} in PyTorch`)
    const measured = await inTurns<TrainReady | TorchReady>(torch === undefined ? ours : [torch, ...ours], 5, setting)
    const theirs = torch && measured.shift()!
    return engines.map((engine, i): Row => {
      const { rates, beside } = figuresOf(ours[i]!, measured[i]!)
      const step = `${channels}×${blocks} residual network, L1, Adam, batch of ${BATCH} patches of ${PATCH}×${PATCH}, full step with data upload`
      const what = {
        name: `train step ${channels}×${blocks}, ${NAMES[engine]}`,
        unit: 'steps/s',
        ours: `TensorFlow.js, ${WHERE[engine]}: ${step}`,
      }
      if (!theirs) return { ...what, value: median(rates), noPeer: 'no Python with torch', beside }
      const pairs: Pair[] = rates.map((rate, round) => ({ ours: rate, peer: theirs.rates[round]! }))
      const { torch: version, layout } = torch.ready
      const peer = `PyTorch ${version}, ${setting.threads} threads, ${layout}: the same step, without averaged weights; ${inWords([memory(theirs)])}`
      return { ...what, peer, result: compare(pairs), beside }
    })
  } finally {
    await Promise.all([...ours, ...(torch ? [torch] : [])].map(peer => peer.close()))
  }
}

async function presetStep(engine: Engine, preset: string, pictures: string, setting: Setting): Promise<Row> {
  const name = `train step ${preset}, ${NAMES[engine]}`
  let peer: Peer<TrainReady>
  try {
    peer = await startPeer<TrainReady>(process.execPath, [child, engine, preset, pictures])
  } catch (error) {
    return { name, reason: (error as Error).message }
  }
  try {
    const [measured] = await inTurns([peer], 3, setting)
    const { rates, beside } = figuresOf(peer, measured!)
    const waiting = { name: 'data wait', value: (100 * measured!.waited) / measured!.seconds, unit: '%' }
    const ours = `steps of uprez train --preset ${preset} --engine ${engine}, ${peer.ready.parameters} parameters in training`
    return { name, unit: 'steps/s', ours, value: median(rates), beside: [beside[0]!, waiting, ...beside.slice(1)] }
  } finally {
    await peer.close()
  }
}

/** What the rounds of one program came to. */
interface Rounds {
  /** Steps per second. */
  rates: number[]
  seconds: number
  waited: number
  peak: number
}

function figuresOf({ ready }: Peer<TrainReady>, rounds: Rounds): { rates: number[]; beside: Figure[] } {
  const speed = { name: 'convolutions', value: (median(rounds.rates) * ready.flops) / 1e9, unit: 'GFLOPS' }
  return { rates: rounds.rates, beside: [speed, memory(rounds)] }
}

function memory({ peak }: Rounds): Figure {
  return { name: 'peak memory', value: peak / 1e9, unit: 'GB' }
}

function inWords(figures: Figure[]): string {
  return figures.map(({ name, value, unit }) => `${name} ${value.toPrecision(3)} ${unit}`).join(', ')
}

/** Rounds of about the same length for each, the order turned round every time. */
async function inTurns<Ready>(peers: Peer<Ready>[], rounds: number, { quick, say }: Setting): Promise<Rounds[]> {
  const aim = quick ? 0.1 : 3
  const counts: number[] = []
  for (const peer of peers) {
    await peer.ask<TrainAnswer>({ count: 2 })
    const { seconds } = await peer.ask<TrainAnswer>({ count: 1 })
    counts.push(Math.max(1, Math.round(aim / seconds)))
  }
  const all: Rounds[] = peers.map(() => ({ rates: [], seconds: 0, waited: 0, peak: 0 }))
  for (let round = 0; round < (quick ? 1 : rounds); round++) {
    const order = peers.map((_, i) => i)
    for (const i of round % 2 === 0 ? order : order.reverse()) {
      const {
        seconds,
        waited = 0,
        peak,
      } = await peers[i]!.ask<Partial<TrainAnswer> & Pick<TrainAnswer, 'seconds' | 'peak'>>({ count: counts[i]! })
      const { rates, ...sums } = all[i]!
      all[i] = { rates: [...rates, counts[i]! / seconds], seconds: sums.seconds + seconds, waited: sums.waited + waited, peak }
    }
    say(`training, round ${round + 1}: ${all.map(({ rates }) => rates.at(-1)!.toFixed(2)).join(', ')} steps/s`)
  }
  return all
}

/** UPREZ_BENCH_PYTHON or python3, if it imports torch. */
export function pythonWithTorch(): string | undefined {
  const command = process.env.UPREZ_BENCH_PYTHON ?? 'python3'
  return spawnSync(command, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0 ? command : undefined
}
