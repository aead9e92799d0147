import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { useEngine } from '../../nets/engine.js'
import { resolveConfig } from '../../train/config.js'
import { needsNative } from '../support/native.js'
import { temporaryFolder, trainLeg, writePhotos } from '../support/training.js'

const home = await temporaryFolder()

test(
  'tensorflow: a resumed run is bit-equal where two uninterrupted ones are, else its losses agree within 1e-5',
  needsNative,
  async () => {
    const tf = await useEngine('tensorflow')
    const config = resolveConfig('tiny', {
      engine: 'tensorflow',
      'data.folders': [await writePhotos(join(home, 'photos'), 4, 48)],
      'data.validation': 1,
      'schedule.steps': 30,
      every: { log: 1, validate: 15, checkpoint: 10 },
    })
    const first = await trainLeg(tf, { config, folder: join(home, 'first') })
    const second = await trainLeg(tf, { config, folder: join(home, 'second') })
    const begun = await trainLeg(tf, { config, folder: join(home, 'broken'), stopAfter: 10 })
    const resumed = await trainLeg(tf, { config, folder: join(home, 'broken'), resume: true })
    const [a, b, c] = await Promise.all(
      ['first', 'second', 'broken'].map(run => readFile(join(home, run, 'checkpoint/step-00000030.safetensors'))),
    )
    if (a!.equals(b!)) assert.ok(c!.equals(a!), 'two uninterrupted runs are bit-equal, the resumed one is not')
    else {
      assert.equal(second.losses.length, 30)
      for (const [i, loss] of [...begun.losses, ...resumed.losses].entries()) {
        assert.ok(Math.abs(loss - first.losses[i]!) <= 1e-5, `step ${i + 1}: loss ${loss} after resuming, ${first.losses[i]} straight`)
      }
    }
  },
)
