import assert from 'node:assert/strict'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { describe, explain, type Simplify } from '../../export/explain.js'
import type { Graph } from '../../export/graph.js'
import { floats } from '../../export/graph.js'
import type { Ops } from '../../export/ops/call.js'
import { simplify } from '../../export/passes/index.js'
import { readModel } from '../../export/read.js'
import { makeGenerator } from '../../nets/generator.js'
import { layersOf } from '../../nets/layers.js'
import { randomizeWeights, tf } from './compare.js'

const model = makeGenerator(tf, { kind: 'srresnet', channels: 4, blocks: 2, norm: 'batch', residualScale: 1 }, 2, 1)
randomizeWeights(model)
const about = { sizeMultiple: 1, flopsPerPixel: 1e9 }

const find = (network: TF.LayersModel, more: Ops = {}, change: Simplify = (graph, watch) => simplify(graph, { watch })) =>
  explain(tf, network, readModel(network, more), change, about)

test('a network that is exported rightly has no node that differs', async () => {
  const before = tf.memory().numTensors
  const finding = await find(model)
  assert.equal(finding, undefined)
  assert.deepEqual(describe(finding), ['no node differs'])
  assert.equal(tf.memory().numTensors, before, 'nothing is left in memory')
})

test('a layer written wrongly is named, with its nodes and what it reads', async () => {
  const wrong: Ops = {
    ChannelPReLU: call => {
      const slopes = Float32Array.from(call.layer.getWeights()[0]!.dataSync())
      // The first block's alone.
      if (call.layer.name === 'body.0.act') slopes[2]! += 0.5
      return call.add('PRelu', [call.inputs[0]!, call.constant('slopes', floats([slopes.length, 1, 1], slopes))])
    },
  }
  const finding = (await find(model, wrong))!
  assert.deepEqual([finding.layer, finding.className, finding.pass], ['body.0.act', 'ChannelPReLU', undefined])
  assert.deepEqual(
    finding.nodes.map(({ op }) => op),
    ['PRelu'],
  )
  assert.equal(finding.inputs.length, 1)
  assert.ok(finding.inputs[0]!.value.startsWith('body.0.norm1'))
  assert.ok(finding.inputs[0]!.difference! <= 1e-5)
  assert.match(finding.wrong, /^differs by .*, allowed \d\.\de-4$/)
  assert.match(describe(finding).join('\n'), /layer body\.0\.act \(ChannelPReLU\).*\n.*\n.*before any pass\n.*PRelu: body\.0\.norm1/)
})

test('a layer whose answer has another shape is named, and one that ONNX Runtime refuses', async () => {
  const chain = (...layers: TF.layers.Layer[]) => {
    const input = tf.input({ shape: [null, null, 4] })
    return tf.model({ inputs: input, outputs: layers.reduce((x, layer) => layer.apply(x) as TF.SymbolicTensor, input) })
  }
  const { pixelShuffle, channelPrelu } = layersOf(tf)
  const unshuffled: Ops = { PixelShuffle: call => call.add('SpaceToDepth', call.inputs, { blocksize: { int: 1 } }) }
  const larger = chain(tf.layers.activation({ activation: 'tanh' }), pixelShuffle({ name: 'larger', scale: 2 }), tf.layers.reLU())
  const shape = (await find(larger, unshuffled))!
  assert.deepEqual([shape.layer, shape.wrong], ['larger', 'is 1×4×1×1 instead of 1×1×2×2'])

  const slopes: Ops = { ChannelPReLU: call => call.add('PRelu', [call.inputs[0]!, call.constant('slopes', floats([3, 1, 1], [1, 2, 3]))]) }
  const bent = chain(tf.layers.activation({ activation: 'tanh' }), channelPrelu({ name: 'bent' }), tf.layers.reLU(), tf.layers.reLU())
  const refused = (await find(bent, slopes))!
  assert.equal(refused.layer, 'bent')
  assert.match(refused.wrong, /^is refused by ONNX Runtime: .*PRelu/)
})

test('a pass that changes the answer is named, and the first layer that it changes', async () => {
  const forgetful = (graph: Graph): Graph => {
    const { inputs } = graph.nodes.find(({ outputs }) => outputs[0]!.startsWith('body.1.norm2'))!
    const { dims, data } = graph.initializers.get(inputs.at(-1)!)!
    const forgotten = floats(dims, new Float32Array(data.length))
    return { ...graph, initializers: new Map(graph.initializers).set(inputs.at(-1)!, forgotten) }
  }
  const finding = (await find(model, {}, (graph, watch) => {
    const right = simplify(graph, { watch }).graph
    watch('forgetful', forgetful(right))
    simplify(forgetful(right), { watch })
  }))!
  assert.deepEqual([finding.layer, finding.pass], ['body.1.norm2', 'forgetful'])
  assert.deepEqual(
    finding.nodes.map(({ op }) => op),
    ['Conv'],
  )
  assert.match(describe(finding).join('\n'), /the pass forgetful did it/)
})

test('of several inputs and outputs, and of values of other ranks, the wrong one is found', async () => {
  const picture = tf.input({ shape: [null, null, 3] })
  const numbers = tf.input({ shape: [4] })
  const large = tf.layers.conv2d({ filters: 2, kernelSize: 3, name: 'valid', padding: 'same' }).apply(picture) as TF.SymbolicTensor
  const bent = tf.layers.activation({ activation: 'tanh', name: 'bent' }).apply(numbers) as TF.SymbolicTensor
  const network = tf.model({ inputs: [picture, numbers], outputs: [large, bent] })
  assert.equal(await find(network), undefined)
  const finding = await find(network, { Activation: call => call.add('Sigmoid', call.inputs) })
  assert.deepEqual([finding!.layer, finding!.value], ['bent', 'bent/Sigmoid'])
})
