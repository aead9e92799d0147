import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { before, test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { makeCritic } from '../../nets/critic.js'
import { type EngineName, type Tf, useEngine } from '../../nets/engine.js'
import { makeGenerator } from '../../nets/generator.js'
import { createAdam, trainableVariables } from '../../train/adam.js'
import { criticLoss } from '../../train/losses/adversarial.js'
import { gradientPenalty } from '../../train/losses/gradient-penalty.js'
import { pixelLoss } from '../../train/losses/pixel.js'
import type { Case } from './case.js'
import { OPTIONS as SRRESNET, srresnet } from './srresnet.js'
import { OPTIONS as WGAN, wganGp } from './wgan-gp.js'

/** One step of our networks, losses and optimizer against the vectors beside this file (generate.ts); one test file calls this for one engine. */
export function testSteps(engine: EngineName, { skip }: { skip: string | false }): void {
  let tf: Tf
  before(async () => {
    if (!skip) tf = await useEngine(engine)
  })

  test(`${engine}: a WGAN-GP step of the critic is the one computed in float64`, { skip }, () => {
    const critic = makeCritic(tf, WGAN.critic, WGAN.side, 0)
    compare(wganGp, critic, ({ real, fake, epsilon }) => {
      const judge = (images: TF.Tensor4D) => critic.apply(images, { training: true }) as TF.Tensor
      const { penalty, norm } = gradientPenalty(tf, judge, real!, fake!, epsilon!)
      const onReal = judge(real!)
      const loss = tf.addN([
        criticLoss(tf, 'wasserstein', onReal, judge(fake!)),
        penalty.mul(WGAN.lambda),
        onReal.square().mean().mul(WGAN.drift),
      ])
      return { loss, penalty, norm }
    })
  })

  test(`${engine}: an SRResNet step is the one computed in float64`, { skip }, () => {
    const generator = makeGenerator(tf, SRRESNET.generator, SRRESNET.scale, 0)
    compare(srresnet, generator, ({ low, high }) => ({
      loss: pixelLoss(tf, generator.apply(low!, { training: true }) as TF.Tensor4D, high!, 'l2', 0),
    }))
  })

  function compare(
    what: Case,
    network: TF.LayersModel,
    evaluate: (inputs: Record<string, TF.Tensor4D>) => Record<string, TF.Tensor>,
  ): void {
    const vectors = read(what.name)
    const variables = trainableVariables(network)
    assert.deepEqual(
      variables.map(({ shape }) => shape),
      vectors.weights.map(({ shape }) => numbersOf(shape)),
    )
    const tensorOf = ({ shape, data }: Stored) => tf.tensor(numbersOf(data), numbersOf(shape))
    tf.tidy(() => {
      for (const [i, variable] of variables.entries()) variable.assign(tensorOf(vectors.weights[i]!))
      const inputs = Object.fromEntries(Object.entries(vectors.inputs).map(([name, stored]) => [name, tensorOf(stored) as TF.Tensor4D]))
      for (const [name, value] of Object.entries(evaluate(inputs))) close(name, value, [vectors.values[name]!], 1e-5)

      const { grads } = tf.variableGrads(() => evaluate(inputs).loss as TF.Scalar, variables)
      const adam = createAdam(tf, variables, what.adam)
      adam.apply(adam.flat(grads), what.adam.learningRate)
      for (const [i, variable] of variables.entries()) {
        close(`gradient of ${variable.name}`, grads[variable.name]!, numbersOf(vectors.gradient[i]!.data), 1e-4)
        close(`${variable.name} after the step`, variable, numbersOf(vectors.updated[i]!.data), 1e-5)
      }
    })
  }
}

/** Numbers with spaces between them. */
type Stored = Record<'shape' | 'data', string>

interface Vectors {
  inputs: Record<string, Stored>
  weights: Stored[]
  values: Record<string, number>
  gradient: Stored[]
  updated: Stored[]
}

function read(name: string): Vectors {
  return JSON.parse(readFileSync(new URL(`../../../test/vectors/${name}.json`, import.meta.url), 'utf8')) as Vectors
}

function numbersOf(text: string): number[] {
  return text.split(' ').map(Number)
}

/** @param tolerance relative to the largest of the numbers, or to 0.01 (the bias before a batch norm has no gradient) */
function close(what: string, actual: TF.Tensor, expected: number[], tolerance: number): void {
  const values = actual.dataSync()
  assert.equal(values.length, expected.length, what)
  const largest = Math.max(...expected.map(Math.abs), 1e-2)
  for (const [i, value] of values.entries()) {
    assert.ok(Math.abs(value - expected[i]!) <= tolerance * largest, `${what}, number ${i}: ${value}, expected ${expected[i]}`)
  }
}
