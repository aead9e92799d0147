import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type * as TF from '@tensorflow/tfjs'
import { exportGraph } from '../export/export.js'
import type { Graph } from '../export/graph.js'
import { serialize } from '../export/onnx.js'
import { type ShrunkVariant, shrink } from '../export/precision/shrink.js'
import { toUint8Nhwc } from '../export/uint8.js'
import { findModel } from '../models/catalog.js'
import { useEngine } from '../nets/engine.js'
import { generatorSchema, makeGenerator } from '../nets/generator.js'
import { loadModel } from '../nets/model-files.js'
import { openSession } from '../probe/session.js'
import { drawPhoto } from '../test/support/draw.js'
import { openSession as openByHand, runSession } from './hand-loop.js'
import type { Row } from './rows.js'
import type { Setting } from './setting.js'
import { compare, inTurn } from './statistics.js'

/** Variants of lower precision against the same network in float32, both in bare ONNX Runtime: what the smaller file is worth on this CPU. */
export async function benchVariants(setting: Setting): Promise<Row[]> {
  const tf = await useEngine('wasm')
  const { card, folder } = await findModel(setting.card.id)
  const fast = await loadModel(tf, join(folder, 'weights'))
  const residual = makeGenerator(tf, generatorSchema.parse({ kind: 'srresnet', channels: 64, blocks: 16, norm: 'none' }), 4, 1)
  return [
    ...(await rowsOf(card.id, fast, card.scale, setting, setting.quick ? 64 : 256)),
    // Its weights are random: what it loses says nothing.
    ...(await rowsOf('64×16', residual, 4, setting, setting.quick ? 32 : 128)),
  ]
}

async function rowsOf(name: string, model: TF.LayersModel, scale: number, setting: Setting, side: number): Promise<Row[]> {
  const graph = exportGraph(model)
  model.dispose()
  const full = toUint8Nhwc(graph)
  const picture = drawPhoto(side, side)
  const rows: Row[] = []
  for (const variant of await variantsOf(graph, scale)) {
    const label = `${name} ${variant.precision}`
    setting.say(label)
    const [ours, peer] = [await open(variant.graph, label, setting), await open(full, `${name} fp32`, setting)]
    const pixelsPerSecond = async (session: typeof ours.session) => {
      const start = performance.now()
      await runSession(session, picture)
      return side ** 2 / (performance.now() - start)
    }
    await Promise.all([pixelsPerSecond(ours.session), pixelsPerSecond(peer.session)])
    const pairs = await inTurn(
      setting.quick ? 1 : 15,
      () => pixelsPerSecond(ours.session),
      () => pixelsPerSecond(peer.session),
    )
    await Promise.all([ours.session.release(), peer.session.release()])
    rows.push({
      name: label,
      unit: 'kilopixels/s',
      ours: `runs of the ${variant.precision} file on a picture of ${side}×${side}: one session of ${setting.threads} threads`,
      peer: 'the same of the file in float32',
      result: compare(pairs),
      beside: [
        { name: 'file', value: ours.bytes / 1000, unit: 'kB' },
        { name: 'instead of', value: peer.bytes / 1000, unit: 'kB' },
        ...(name === setting.card.id ? [{ name: 'loses', value: variant.psnrLoss, unit: 'dB' }] : []),
      ],
    })
  }
  return rows
}

async function variantsOf(graph: Graph, scale: number): Promise<ShrunkVariant[]> {
  const canonical = await openSession(serialize(graph))
  try {
    const sizes = { scale, sizeMultiple: 1, fixedSize: null, compared: { width: 67, height: 53 } }
    return await shrink(graph, canonical, sizes, { fp16: true, int8: true }, () => {})
  } finally {
    await canonical.close()
  }
}

async function open(graph: Graph, name: string, { folder, threads }: Setting) {
  const file = join(folder, `${name}.onnx`)
  const bytes = serialize(graph)
  await writeFile(file, bytes)
  return { session: await openByHand(file, threads), bytes: bytes.length }
}
