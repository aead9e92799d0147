import { dirname, join } from 'node:path'
import { exportGraph } from '../export/export.js'
import { encode } from '../infer/encode.js'
import type { Engine } from '../infer/engine.js'
import { startEngine } from '../infer/engine.js'
import { windowSide } from '../infer/window-side.js'
import { servingFile } from '../models/card.js'
import { useEngine } from '../nets/engine.js'
import { generatorSchema, makeGenerator } from '../nets/generator.js'
import { planTiles } from '../runtime/tiles.js'
import { drawPhoto } from '../test/support/draw.js'
import { writeModel } from '../test/support/model.js'
import type { HandAnswer, HandQuestion } from './hand.js'
import { handInWords, startFastestHand } from './hand-peer.js'
import type { Row } from './rows.js'
import type { Setting } from './setting.js'
import { compare, inTurn } from './statistics.js'

/** The engine's tiles of one large picture, cut, computed and pasted, against bare ONNX Runtime on windows of the same size. */
export async function benchTiles(setting: Setting): Promise<Row[]> {
  const heavy = await residualNetwork(setting)
  return [await rowOf(setting, setting.quick ? 512 : 1536), await rowOf(heavy, setting.quick ? 96 : 512)]
}

/** SRResNet of the paper's size with random weights: what they are costs no time. */
async function residualNetwork(setting: Setting): Promise<Setting> {
  const tf = await useEngine('wasm')
  const config = generatorSchema.parse({ kind: 'srresnet', channels: 64, blocks: 16, norm: 'none' })
  const model = makeGenerator(tf, config, 4, 1)
  // As deep as a trained one needs it.
  const spec = { id: 'srresnet-64x16', scale: 4, halo: 6, graph: exportGraph(model) }
  model.dispose()
  const { dir, card } = await writeModel(setting.folder, spec)
  return { ...setting, card, graph: join(dir, servingFile(card).file) }
}

async function rowOf(setting: Setting, side: number): Promise<Row> {
  const size = { width: side, height: side }
  const windows = planTiles(size, setting.card, windowSide(size, setting.card, setting.threads, true))
  const { width, height } = windows[0]!.window
  const question: HandQuestion = { kind: 'windows', count: windows.length, width, height }
  const { style, hand } = await startFastestHand(question, setting)
  const engine = await startEngine({ threads: setting.threads })
  try {
    const picture = await encode(drawPhoto(side, side), 'png', undefined, {})
    const model = dirname(setting.graph)
    await tilesPerSecond(engine, picture, model)
    const pairs = await inTurn(
      setting.quick ? 1 : 5,
      () => tilesPerSecond(engine, picture, model),
      async () => windows.length / (await hand.ask<HandAnswer>(question)).seconds,
    )
    return {
      name: `engine, tiles, ${setting.card.id}`,
      unit: 'tiles/s',
      ours: `the ${windows.length} tiles of a picture of ${side}×${side}, windows of ${width}×${height}, cut and pasted; from the first to the last`,
      peer: `as many runs on one window of that size: ${handInWords(style, setting.threads)}`,
      result: compare(pairs),
    }
  } finally {
    await Promise.all([engine.close(), hand.close()])
  }
}

/** Decoding and encoding are left out: the clock runs from the first word about tiles to the last. */
async function tilesPerSecond(engine: Engine, bytes: Uint8Array, model: string): Promise<number> {
  let first = 0
  let last = 0
  let tiles = 0
  await engine.upscale(
    { input: { bytes }, model, format: 'jpg', tile: 0 },
    {
      onProgress({ done, total }) {
        tiles = total
        if (done === 0) first = performance.now()
        last = performance.now()
      },
    },
  )
  return tiles / ((last - first) / 1000)
}
