import type { Adam } from '../../train/adam.js'
import type { Remembered } from '../../train/checkpoint.js'

const SLOTS = ['parameters', 'firstMoment', 'secondMoment', 'averaged'] as const

export interface StubRecipe extends Remembered {
  values: Record<(typeof SLOTS)[number], Float32Array>
  updates: number
}

/** A recipe of one optimizer with `size` weights and no network, for tests of the files. */
export function stubRecipe(size: number): StubRecipe {
  const values = Object.fromEntries(SLOTS.map(name => [name, new Float32Array(size)])) as StubRecipe['values']
  const optimizer: Partial<Adam> = {
    updates: () => recipe.updates,
    slots: () => Object.fromEntries(SLOTS.map(name => [name, { size, data: async () => values[name] }])) as never,
    restore(restored, updates) {
      for (const name of SLOTS) values[name].set(restored[name]!)
      recipe.updates = updates
    },
  }
  const recipe: StubRecipe = { values, updates: 0, memory: {}, networks: {}, optimizers: { generator: optimizer as Adam } }
  return recipe
}
