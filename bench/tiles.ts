import { dirname } from 'node:path'
import { encode } from '../infer/encode.js'
import type { Engine } from '../infer/engine.js'
import { startEngine } from '../infer/engine.js'
import { windowSide } from '../infer/window-side.js'
import { planTiles } from '../runtime/tiles.js'
import { drawPhoto } from '../test/support/draw.js'
import type { HandAnswer, HandQuestion } from './hand.js'
import { handInWords, startFastestHand } from './hand-peer.js'
import type { Row } from './rows.js'
import type { Setting } from './setting.js'
import { compare, inTurn } from './statistics.js'

/** The engine's tiles of one large picture, cut, computed and pasted, against bare ONNX Runtime on windows of the same size. */
export async function benchTiles(setting: Setting): Promise<Row[]> {
  const side = setting.quick ? 512 : 1536
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
    return [
      {
        name: 'engine, tiles',
        unit: 'tiles/s',
        ours: `the ${windows.length} tiles of a picture of ${side}×${side}, windows of ${width}×${height}, cut and pasted; from the first to the last`,
        peer: `as many runs on one window of that size: ${handInWords(style, setting.threads)}`,
        result: compare(pairs),
      },
    ]
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
