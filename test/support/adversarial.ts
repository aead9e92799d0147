import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { makeCritic } from '../../nets/critic.js'
import { type EngineName, type Tf, useEngine } from '../../nets/engine.js'
import { trainableVariables } from '../../train/adam.js'
import { ADVERSARIAL_KINDS, type AdversarialKind, criticLoss, generatorLoss } from '../../train/losses/adversarial.js'
import { gradientPenalty } from '../../train/losses/gradient-penalty.js'
import { agreesWithDifferences, filled, numbers } from './differences.js'

/** What holds of the adversarial losses and the gradient penalty on every engine; one test file calls this for one. */
export function testAdversarial(engine: EngineName, { skip }: { skip: string | false }): void {
  let tf: Tf
  before(async () => {
    if (!skip) tf = await useEngine(engine)
  })
  const name = (what: string) => `${engine}: ${what}`

  for (const kind of ADVERSARIAL_KINDS) {
    test(name(`the ${kind} losses are their definition, and their gradients are right`), { skip }, () => {
      for (const shape of [
        [5, 1],
        [2, 3, 3, 1],
      ]) {
        const [real, fake] = [filled(tf, shape, 1), filled(tf, shape, 2)]
        const expected = defined(kind, Array.from(real.dataSync(), Number), Array.from(fake.dataSync(), Number))
        const critic = () => criticLoss(tf, kind, real, fake)
        const generator = () => generatorLoss(tf, kind, fake, real)
        tf.tidy(() => {
          assert.ok(Math.abs(critic().dataSync()[0]! - expected.critic) < 1e-5)
          assert.ok(Math.abs(generator().dataSync()[0]! - expected.generator) < 1e-5)
        })
        for (const logits of [real, fake]) agreesWithDifferences(tf, logits, critic)
        agreesWithDifferences(tf, fake, generator)
      }
    })

    test(name(`the ${kind} losses of a critic that is sure of itself are finite, and so are their gradients`), { skip }, () => {
      tf.tidy(() => {
        const real = tf.tensor2d([200, -200], [2, 1])
        const loss = (fake: TF.Tensor) => tf.add(criticLoss(tf, kind, real, fake), generatorLoss(tf, kind, fake, real))
        const fake = tf.tensor2d([-200, 200], [2, 1])
        for (const values of [loss(fake), tf.grad(loss)(fake)]) assert.ok(values.dataSync().every(Number.isFinite))
      })
    })
  }

  test(name('the relativistic loss asks for the originals'), { skip }, () => {
    assert.throws(() => generatorLoss(tf, 'relativistic', tf.zeros([1, 1])), /originals/)
  })

  test(name('the gradient penalty of a linear critic is what one can see'), { skip }, () => {
    tf.tidy(() => {
      // D(x) = slope · (mean over the patches of the sum of x): the norm of its gradient follows.
      const slope = tf.tensor4d([3, 3, 3], [1, 1, 3, 1])
      const critic = (x: TF.Tensor4D) => tf.conv2d(x, slope, 1, 'same')
      const image = (seed: number) => tf.tensor4d(numbers([2, 4, 4, 3], seed), [2, 4, 4, 3])
      const epsilon = tf.tensor4d([0.2, 0.7], [2, 1, 1, 1])
      const { penalty, norm } = gradientPenalty(tf, critic, image(1), image(2), epsilon)
      const expected = (3 / 16) * Math.sqrt(48)
      assert.ok(Math.abs(norm.dataSync()[0]! - expected) < 1e-5)
      assert.ok(Math.abs(penalty.dataSync()[0]! - (expected - 1) ** 2) < 1e-5)
    })
  })

  test(name('the gradient penalty is taken between the originals and the others, image by image'), { skip }, () => {
    tf.tidy(() => {
      const [real, fake] = [tf.fill([2, 2, 2, 3], 1), tf.fill([2, 2, 2, 3], 3)] as [TF.Tensor4D, TF.Tensor4D]
      let seen: number[] = []
      const critic = (x: TF.Tensor4D) => {
        seen = Array.from(x.dataSync())
        return x.square().sum([1, 2, 3])
      }
      gradientPenalty(tf, critic, real, fake, tf.tensor4d([0, 0.25], [2, 1, 1, 1]))
      assert.deepEqual(seen, [...Array(12).fill(3), ...Array(12).fill(2.5)])
    })
  })

  test(name("the gradient penalty's own gradient reaches every kernel of the critic, and nothing is left behind"), { skip }, () => {
    const critic = makeCritic(tf, { kind: 'patch', channels: 4, levels: 2 }, 12, 3)
    const variables = trainableVariables(critic)
    const image = (seed: number) => tf.tensor4d(numbers([3, 12, 12, 3], seed), [3, 12, 12, 3])
    const [real, fake, epsilon] = [image(1), image(2), tf.tensor4d([0.1, 0.5, 0.8], [3, 1, 1, 1])]
    const judge = (x: TF.Tensor4D) => critic.apply(x, { training: true }) as TF.Tensor
    // Steep, so that there is much to penalise.
    for (const variable of variables) tf.tidy(() => variable.assign(variable.mul(3)))
    const tensors = tf.memory().numTensors
    // A bias only shifts: the slope does not know it.
    for (const variable of variables.filter(({ rank }) => rank === 4)) {
      agreesWithDifferences(tf, variable, () => gradientPenalty(tf, judge, real, fake, epsilon).penalty)
    }
    tf.tidy(() => {
      const loss = () => {
        const { penalty } = gradientPenalty(tf, judge, real, fake, epsilon)
        return criticLoss(tf, 'wasserstein', judge(real), judge(fake)).add(penalty.mul(10)) as TF.Scalar
      }
      tf.variableGrads(loss, variables)
    })
    assert.equal(tf.memory().numTensors, tensors)
  })
}

/** The losses as their papers write them, in float64. */
function defined(kind: AdversarialKind, real: number[], fake: number[]): { critic: number; generator: number } {
  const mean = (values: number[], f: (value: number) => number) => values.reduce((sum, value) => sum + f(value), 0) / values.length
  const log = (value: number) => Math.log(1 / (1 + Math.exp(-value)))
  const [averageReal, averageFake] = [mean(real, v => v), mean(fake, v => v)]
  switch (kind) {
    case 'vanilla':
      return { critic: -mean(real, log) - mean(fake, v => log(-v)), generator: -mean(fake, log) }
    case 'lsgan':
      return {
        critic: mean(real, v => (v - 1) ** 2) / 2 + mean(fake, v => v ** 2) / 2,
        generator: mean(fake, v => (v - 1) ** 2) / 2,
      }
    case 'hinge':
      return { critic: -mean(real, v => Math.min(0, v - 1)) - mean(fake, v => Math.min(0, -v - 1)), generator: -averageFake }
    case 'relativistic':
      return {
        critic: -mean(real, v => log(v - averageFake)) - mean(fake, v => log(averageReal - v)),
        generator: -mean(real, v => log(averageFake - v)) - mean(fake, v => log(v - averageReal)),
      }
    case 'wasserstein':
      return { critic: averageFake - averageReal, generator: -averageFake }
  }
}
