import type * as TF from '@tensorflow/tfjs'
import { exportGraph } from '../../export/export.js'
import type { Graph } from '../../export/graph.js'
import { measureRanges } from '../../export/precision/calibrate.js'
import { toFloat16 } from '../../export/precision/fp16.js'
import { roundedValues, toInt8 } from '../../export/precision/int8.js'
import { toUint8Nhwc } from '../../export/uint8.js'
import { makeGenerator } from '../../nets/generator.js'
import { layersOf } from '../../nets/layers.js'
import { drawLeaves } from '../../probe/picture.js'
import { SMALL_GENERATORS } from '../support/generators.js'
import { randomizeWeights, tf } from './compare.js'

/** What the exporter writes, for others to judge: every generator, every kind of file, and networks that are no generators. */
export async function everyGraph(): Promise<Map<string, Graph>> {
  const graphs = new Map<string, Graph>()
  for (const [name, { config, scale }] of Object.entries(SMALL_GENERATORS)) {
    // WebGPU in ONNX Runtime 1.30 is wrong where a convolution reads 6 or 9 channels (microsoft/onnxruntime#29651).
    const model = makeGenerator(tf, config.kind === 'encoder-decoder' ? { ...config, channels: 4 } : config, scale, 1)
    randomizeWeights(model)
    graphs.set(name, exportGraph(model))
    model.dispose()
  }
  const plain = graphs.get('srvgg leaky-relu ×1')!
  graphs.set('uint8', toUint8Nhwc(plain))
  graphs.set('fp16', toUint8Nhwc(toFloat16(plain)))
  const ranges = await measureRanges(plain, roundedValues(plain), [drawLeaves(24, 20, 1)])
  graphs.set('int8', toUint8Nhwc(toInt8(plain, ranges)))
  graphs.set('two pictures to three answers', exportGraph(severalEnds()))
  graphs.set('classifier', exportGraph(classifier()))
  return graphs
}

function severalEnds(): TF.LayersModel {
  const [large, small] = ['large', 'small'].map(name => tf.input({ shape: [null, null, 3], name })) as [
    TF.SymbolicTensor,
    TF.SymbolicTensor,
  ]
  const { pixelUnshuffle, instanceNorm } = layersOf(tf)
  const shared = tf.layers.separableConv2d({ filters: 4, kernelSize: 3, padding: 'same', name: 'shared' })
  const [a, b] = [shared.apply(large), shared.apply(small)] as [TF.SymbolicTensor, TF.SymbolicTensor]
  const sum = tf.layers.add({ name: 'sum' }).apply([a, b]) as TF.SymbolicTensor
  const folded = pixelUnshuffle({ name: 'folded', scale: 1 }).apply(sum) as TF.SymbolicTensor
  const normal = instanceNorm({ name: 'normal' }).apply(folded) as TF.SymbolicTensor
  const mean = tf.layers.globalAveragePooling2d({ name: 'mean' } as never).apply(normal) as TF.SymbolicTensor
  const share = tf.layers.dense({ units: 3, activation: 'softmax', name: 'share' }).apply(mean) as TF.SymbolicTensor
  const model = tf.model({ inputs: [large, small], outputs: [sum, normal, share] })
  randomizeWeights(model)
  return model
}

function classifier(): TF.LayersModel {
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ inputShape: [16, 16, 3], filters: 4, kernelSize: 3, strides: 2, activation: 'relu6' }),
      tf.layers.batchNormalization(),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 5, activation: 'softmax' }),
    ],
  })
  randomizeWeights(model)
  return model
}
