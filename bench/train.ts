import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { nativeAddon } from '../nets/native.js'
import type { Peer } from './peer.js'
import { startPeer } from './peer.js'
import type { Row } from './rows.js'
import type { Setting } from './setting.js'
import { compare, median, type Pair } from './statistics.js'
import type { TrainAnswer, TrainReady } from './train-child.js'
import { BATCH, BLOCKS, CHANNELS, PATCH } from './train-peer.js'

const child = fileURLToPath(new URL('./train-child.js', import.meta.url))
/** From `dist/bench/train.js` to `bench/peers/train.py`. */
const python = fileURLToPath(new URL('../../bench/peers/train.py', import.meta.url))
const NETWORK = `${CHANNELS}×${BLOCKS} residual network, L1, Adam, batch of ${BATCH} patches of ${PATCH}×${PATCH}, full step with data upload`

interface TorchReady extends TrainReady {
  torch: string
  layout: string
}

/** Our engines against PyTorch on one network, and the steps of the preset that ships. */
export async function benchTrain(setting: Setting): Promise<Row[]> {
  const engines = (['tensorflow', 'wasm'] as const).filter(engine => engine !== 'tensorflow' || nativeAddon() !== undefined)
  const missing: Row[] = engines.includes('tensorflow')
    ? []
    : [{ name: 'train step, native', reason: 'the native engine is not set up (npm run setup -- tensorflow)' }]
  return [...missing, ...(await againstTorch([...engines], setting)), ...(await presetSteps([...engines], setting))]
}

type Engine = 'tensorflow' | 'wasm'
const NAMES: Record<Engine, string> = { tensorflow: 'native', wasm: 'wasm' }
const WHERE: Record<Engine, string> = { tensorflow: 'native TensorFlow, its own choice of threads', wasm: 'wasm, one thread' }

async function againstTorch(engines: Engine[], setting: Setting): Promise<Row[]> {
  const command = pythonWithTorch()
  const ours = await Promise.all(engines.map(engine => startPeer<TrainReady>(process.execPath, [child, engine, '32x5'])))
  const torch = command === undefined ? undefined : await startPeer<TorchReady>(command, [python, String(setting.threads)])
  try {
    const other = torch && ours.find(({ ready }) => ready.parameters !== torch.ready.parameters)
    if (other) throw new Error(`the networks differ: ${other.ready.parameters} parameters here, ${torch.ready.parameters} in PyTorch`)
    const rates = await inTurns(torch === undefined ? ours : [torch, ...ours], 5, setting)
    return engines.map((engine, i): Row => {
      const what = { name: `train step 32×5, ${NAMES[engine]}`, unit: 'steps/s', ours: `TensorFlow.js, ${WHERE[engine]}: ${NETWORK}` }
      if (torch === undefined) return { ...what, value: median(rates[i]!), noPeer: 'no Python with torch' }
      const pairs: Pair[] = rates[i + 1]!.map((rate, round) => ({ ours: rate, peer: rates[0]![round]! }))
      const peer = `PyTorch ${torch.ready.torch}, ${setting.threads} threads, ${torch.ready.layout}: the same step, without averaged weights`
      return { ...what, peer, result: compare(pairs) }
    })
  } finally {
    await Promise.all([...ours, ...(torch ? [torch] : [])].map(peer => peer.close()))
  }
}

async function presetSteps(engines: Engine[], setting: Setting): Promise<Row[]> {
  const rows: Row[] = []
  for (const engine of engines) {
    const peer = await startPeer<TrainReady>(process.execPath, [child, engine, 'fast-x4'])
    try {
      const [rates] = await inTurns([peer], 3, setting)
      rows.push({
        name: `train step fast-x4, ${NAMES[engine]}`,
        unit: 'steps/s',
        ours: `the step of uprez train --preset fast-x4 --engine ${engine}, ${peer.ready.parameters} parameters in training; data made beforehand`,
        value: median(rates!),
      })
    } finally {
      await peer.close()
    }
  }
  return rows
}

/** Rounds of about the same length for each, the order turned round every time. Steps per second by peer and round. */
async function inTurns(peers: Peer<TrainReady>[], rounds: number, { quick, say }: Setting): Promise<number[][]> {
  const aim = quick ? 0.1 : 3
  const counts: number[] = []
  for (const peer of peers) {
    await peer.ask<TrainAnswer>({ count: 2 })
    const { seconds } = await peer.ask<TrainAnswer>({ count: 1 })
    counts.push(Math.max(1, Math.round(aim / seconds)))
  }
  const rates: number[][] = peers.map(() => [])
  for (let round = 0; round < (quick ? 1 : rounds); round++) {
    const order = peers.map((_, i) => i)
    for (const i of round % 2 === 0 ? order : order.reverse()) {
      const { seconds } = await peers[i]!.ask<TrainAnswer>({ count: counts[i]! })
      rates[i]!.push(counts[i]! / seconds)
    }
    say(`training, round ${round + 1}: ${rates.map(values => values.at(-1)!.toFixed(2)).join(', ')} steps/s`)
  }
  return rates
}

/** UPREZ_BENCH_PYTHON or python3, if it imports torch. */
function pythonWithTorch(): string | undefined {
  const command = process.env.UPREZ_BENCH_PYTHON ?? 'python3'
  return spawnSync(command, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0 ? command : undefined
}
