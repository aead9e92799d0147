import assert from 'node:assert/strict'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { useEngine } from '../../nets/engine.js'
import { isNetwork, walk } from '../../nets/walk.js'

const tf = await useEngine('wasm')

test('layers are asked once a call, each after those that it needs, and others not at all', () => {
  const input = tf.input({ shape: [4], name: 'in' })
  const dense = (name: string) => tf.layers.dense({ units: 4, name })
  const twice = dense('twice')
  const first = twice.apply(input) as TF.SymbolicTensor
  const second = twice.apply(dense('between').apply(first)) as TF.SymbolicTensor
  dense('aside').apply(first)
  const sum = tf.layers.add({ name: 'sum' }).apply([second, first]) as TF.SymbolicTensor

  const asked: string[] = []
  const model = tf.model({ inputs: input, outputs: [sum, first] })
  const paths = walk(model, ['in'], ({ name }, inputs) => {
    asked.push(name)
    return [`${name}(${inputs})`]
  })
  assert.deepEqual(paths, ['sum(twice(between(twice(in))),twice(in))', 'twice(in)'])
  assert.deepEqual(asked, ['twice', 'between', 'twice', 'sum'])
})

test('a network used as a layer is one layer, with an answer for each of its outputs', () => {
  const inner = tf.input({ shape: [4] })
  const halves = [2, 3].map(units => tf.layers.dense({ units }).apply(inner) as TF.SymbolicTensor)
  const split = tf.model({ inputs: inner, outputs: halves, name: 'split' })
  const input = tf.input({ shape: [4] })
  const [two, three] = split.apply(input) as TF.SymbolicTensor[]
  const model = tf.model({ inputs: input, outputs: [three!, two!] })
  const answers = walk(model, ['in'], (layer, inputs) => {
    assert.ok(isNetwork(layer))
    return [`two of ${inputs}`, `three of ${inputs}`]
  })
  assert.deepEqual(answers, ['three of in', 'two of in'])
})

test('a network of any depth is followed', () => {
  const depth = 2500
  const input = tf.input({ shape: [4] })
  let last = input
  for (let i = 0; i < depth; i++) last = tf.layers.activation({ activation: 'relu' }).apply(last) as TF.SymbolicTensor
  assert.deepEqual(
    walk(tf.model({ inputs: input, outputs: last }), [0], (_, [before]) => [before! + 1]),
    [depth],
  )
})
