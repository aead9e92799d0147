import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { useEngine } from '../../nets/engine.js'
import { needsNative } from '../support/native.js'
import { RECIPES, smallRun } from '../support/recipes.js'
import { temporaryFolder, trainLeg, writePhotos } from '../support/training.js'

const home = await temporaryFolder()
const photos = await writePhotos(join(home, 'photos'), 4, 48)

for (const [name, overrides] of Object.entries(RECIPES)) {
  test(
    `tensorflow, ${name}: a resumed run is bit-equal where two uninterrupted ones are, else what it logs agrees within 1e-4`,
    needsNative,
    async () => {
      const tf = await useEngine('tensorflow')
      const config = smallRun(photos, { ...overrides, engine: 'tensorflow' })
      const folder = (which: string) => join(home, `${name}-${which}`)
      const first = await trainLeg(tf, { config, folder: folder('first') })
      await trainLeg(tf, { config, folder: folder('second') })
      const begun = await trainLeg(tf, { config, folder: folder('broken'), stopAfter: 3 })
      const resumed = await trainLeg(tf, { config, folder: folder('broken'), resume: true })
      const [a, b, c] = await Promise.all(
        ['first', 'second', 'broken'].map(which => readFile(join(folder(which), 'checkpoint/step-00000006.safetensors'))),
      )
      if (a!.equals(b!)) return assert.ok(c!.equals(a!), 'two uninterrupted runs are bit-equal, the resumed one is not')
      for (const [i, values] of [...begun.steps, ...resumed.steps].entries()) {
        for (const [what, value] of Object.entries(values)) {
          const straight = first.steps[i]![what]!
          assert.ok(
            Math.abs(value - straight) <= 1e-4 * Math.max(1, Math.abs(straight)),
            `step ${i + 1}: ${what} ${value}, ${straight} straight`,
          )
        }
      }
    },
  )
}
