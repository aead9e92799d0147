import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../nets/engine.js'
import type { Evaluation } from '../losses/generator.js'

/** The numbers of one step, read from the engine in one go: each reading waits for it. */
export interface Ledger {
  /** Notes numbers by name, inside a tidy or a gradient too; of what is noted more than once in a step, the mean is told. */
  note(values: Record<string, TF.Scalar | number>): void
  /** Notes the parts of a loss as `loss/NAME`, and disposes of them. @returns their sum */
  sum(evaluation: Evaluation): TF.Scalar
  /** What was noted since the last reading, in the order of the first notes. */
  read(): Promise<Record<string, number>>
}

export function openLedger(tf: Tf): Ledger {
  const noted = new Map<string, TF.Scalar[]>()
  let known: Record<string, number> = {}

  function note(values: Record<string, TF.Scalar | number>): void {
    for (const [name, value] of Object.entries(values)) {
      if (typeof value === 'number') known[name] = value
      else noted.set(name, [...(noted.get(name) ?? []), tf.keep(value.clone()) as TF.Scalar])
    }
  }

  return {
    note,
    sum({ total, parts }) {
      note(Object.fromEntries(Object.entries(parts).map(([name, value]) => [`loss/${name}`, value])))
      tf.dispose(parts)
      return total
    },
    async read() {
      const all = [...noted.entries()]
      const vector = tf.tidy(() => tf.stack(all.map(([, values]) => tf.div(tf.addN(values), values.length))))
      for (const [, values] of all) tf.dispose(values)
      const numbers = await vector.data()
      vector.dispose()
      const result = { ...Object.fromEntries(all.map(([name], i) => [name, numbers[i]!])), ...known }
      noted.clear()
      known = {}
      return result
    },
  }
}
