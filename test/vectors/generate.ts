import { writeFile } from 'node:fs/promises'
import { random } from '../support/draw.js'
import { type Case, draw } from './case.js'
import { firstAdamUpdate, numericGradient } from './float64.js'
import { srresnet } from './srresnet.js'
import { wganGp } from './wgan-gp.js'

/**
 * Computes the vectors anew, in float64 and without tfjs: `node dist/test/vectors/generate.js` writes test/vectors/*.json,
 * which only change where the formulas do. A quarter of a minute.
 */
for (const what of [wganGp, srresnet]) {
  const path = new URL(`../../../test/vectors/${what.name}.json`, import.meta.url)
  await writeFile(path, textOf(compute(what)))
  console.error(path.pathname)
}

function compute(what: Case) {
  const next = random(1)
  const weights = what.weights.map(kind => draw(kind, next))
  const inputs = Object.fromEntries(Object.entries(what.inputs).map(([name, kind]) => [name, draw(kind, next)]))
  const values = what.evaluate(weights, inputs)
  const gradient = numericGradient(weights, () => what.evaluate(weights, inputs).loss)
  return { inputs, weights, values, gradient, updated: firstAdamUpdate(weights, gradient, what.adam) }
}

/** Seven digits, as float32 has; numbers with spaces between them. */
function textOf(vectors: object): string {
  const plain = (name: string, value: unknown) => {
    if (name === 'shape') return (value as number[]).join(' ')
    if (value instanceof Float64Array) return Array.from(value, number => Number(number.toPrecision(7))).join(' ')
    return typeof value === 'number' ? Number(value.toPrecision(10)) : value
  }
  return `${JSON.stringify(vectors, plain, 2)}\n`
}
