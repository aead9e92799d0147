import { SLOTS, type Slots } from '../../train/adam.js'
import type { Recipe } from '../../train/recipe.js'

/** A recipe of one optimizer with `size` weights and no network, for tests of the files. */
export function stubRecipe(size: number): Recipe & { values: Record<(typeof SLOTS)[number], Float32Array>; updates: number } {
  const values = Object.fromEntries(SLOTS.map(name => [name, new Float32Array(size)])) as Record<(typeof SLOTS)[number], Float32Array>
  const recipe = {
    values,
    updates: 0,
    networks: {},
    exportable: 'generator',
    step: () => Promise.reject(new Error('no network')),
    optimizers: {
      generator: {
        variables: [],
        apply: () => {},
        withAverage: <T>(work: () => Promise<T>) => work(),
        updates: () => recipe.updates,
        slots: () => Object.fromEntries(SLOTS.map(name => [name, { size, data: async () => values[name] }])) as unknown as Slots,
        restore(restored: typeof values, updates: number) {
          for (const name of SLOTS) values[name].set(restored[name])
          recipe.updates = updates
        },
      },
    },
  }
  return recipe
}
