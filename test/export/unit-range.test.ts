import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { exportRun } from '../../export/export.js'
import { readModel } from '../../export/read.js'
import { onUnitRange } from '../../export/unit-range.js'
import { useEngine } from '../../nets/engine.js'
import { layersOf } from '../../nets/layers.js'
import { saveModel } from '../../nets/model-files.js'
import type { RangeName } from '../../probe/ranges.js'

const tf = await useEngine('cpu')
const folder = await mkdtemp(join(tmpdir(), 'uprez-range-'))
after(() => rm(folder, { recursive: true }))

/** Enlarges twice by repeating pixels, and subtracts `dark`: right where pictures are 0..255, far too dark where they are 0..1. */
function darkening(dark: number) {
  const { repeatChannels, pixelShuffle, affine } = layersOf(tf)
  const input = tf.input({ shape: [null, null, 3] })
  const repeated = repeatChannels({ times: 4 }).apply(input) as ReturnType<typeof tf.input>
  const enlarged = pixelShuffle({ scale: 2 }).apply(repeated) as ReturnType<typeof tf.input>
  return tf.model({ inputs: input, outputs: affine({ factor: 1, offset: -dark }).apply(enlarged) as ReturnType<typeof tf.input> })
}

const about = { scale: 2, sizeMultiple: 1 }
const unitRange = (model: ReturnType<typeof darkening>, asked: RangeName | undefined, say: (line: string) => void) =>
  onUnitRange(tf, model, readModel(model).graph, about, asked, say)
const grey = (model: ReturnType<typeof darkening>) =>
  (model.predict(tf.fill([1, 2, 2, 3], 0.5)) as ReturnType<typeof tf.zeros>).dataSync()[0]!

test('a network of pictures from 0 to 255 is told by its answers, and takes 0 to 1 from then on', async () => {
  const said: string[] = []
  const unit = await unitRange(darkening(0.4), undefined, line => said.push(line))
  assert.match(said.join(), /0 to 255 going in and 0 to 255 coming out, by its answers to flat colours/)
  assert.ok(Math.abs(grey(unit) - (0.5 - 0.4 / 255)) < 1e-6)
})

test('one of pictures from 0 to 1 stays as it is, and what is asked for goes before what is measured', async () => {
  const model = darkening(0)
  assert.equal(await unitRange(model, undefined, assert.fail), model)
  const asked = await unitRange(darkening(0.4), '-1..1', () => {})
  assert.ok(Math.abs(grey(asked) - (0 - 0.4 + 1) / 2) < 1e-6)
})

test('the model folder of such a network is one of pictures from 0 to 1; for our own networks no range is taken', async () => {
  await saveModel(darkening(0.4), join(folder, 'foreign'))
  const { dir, card } = await exportRun({ run: join(folder, 'foreign'), output: join(folder, 'model'), engine: 'cpu' })
  assert.deepEqual([card.scale, card.model.input.range], [2, [0, 1]])
  await assert.rejects(exportRun({ run: dir, output: join(folder, 'other'), engine: 'cpu', range: '0..255' }), {
    code: 'invalid-option',
    param: 'range',
  })
})
