import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { exportGraph } from '../../export/export.js'
import { serialize } from '../../export/onnx.js'
import { listModels } from '../../models/catalog.js'
import { useEngine } from '../../nets/engine.js'
import { networkFacts } from '../../nets/facts.js'
import { makeGenerator } from '../../nets/generator.js'
import { type Analysis, analyse } from '../../probe/analysis.js'
import { inspect } from '../../probe/inspect.js'
import { readOnnx } from '../../probe/onnx-file.js'
import { reportLines } from '../../probe/report.js'
import { SMALL_GENERATORS } from '../support/generators.js'
import { writeModel } from '../support/model.js'
import { foreignGraph } from './foreign.js'

let home: string
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'uprez-inspect-'))
})
after(() => rm(home, { recursive: true }))

test('the figures of our own models and of all their files are those of their cards', async () => {
  const models = await listModels()
  assert.ok(models.some(({ card }) => card.id === 'fast-x4'))
  for (const { card, folder } of models) {
    for (const { file } of [card.model, ...Object.values(card.variants)]) {
      const found = await inspect(join(folder, file))
      assert.deepEqual(
        found.card!.checks.filter(({ agrees }) => agrees !== true),
        [],
      )
    }
    const found = await inspect(folder)
    assert.deepEqual(
      [found.scale, found.parameters, found.flopsPerPixel, found.receptiveField],
      [card.scale, card.parameters, card.flopsPerPixel, card.receptiveField],
    )
  }
})

test('what a graph tells of every generator is what its layers tell', async () => {
  const tf = await useEngine('cpu')
  for (const [name, { config, scale }] of Object.entries(SMALL_GENERATORS)) {
    const model = makeGenerator(tf, config, scale, 1)
    const facts = networkFacts(model)
    const found = (await analyse(readOnnx(serialize(exportGraph(model)), name))) as Analysis
    const { receptiveField, sizeMultiple, flopsPerPixel } = found
    assert.deepEqual(
      { name, scale: found.scale, receptiveField, sizeMultiple, flopsPerPixel },
      {
        name,
        scale,
        receptiveField: facts.receptiveField,
        sizeMultiple: facts.sizeMultiple,
        flopsPerPixel: facts.flopsPerPixel,
      },
    )
    model.dispose()
  }
})

test('a file without a card: all that it says, and what cannot be told', async () => {
  const file = join(home, 'foreign.onnx')
  await writeFile(file, serialize(foreignGraph({ nhwc: true, fixed: { width: 40, height: 32 } })))
  const found = await inspect(file)
  assert.deepEqual(
    [found.card, found.fixedSize, found.input, found.weights, found.notFollowed],
    [null, { width: 40, height: 32 }, { layout: 'NHWC', channels: 3 }, { float32: found.parameters + 6 }, null],
  )
  const lines = reportLines(found).join('\n')
  for (const expected of [
    /40×32 only/,
    /picture: float32 n×32×40×3/,
    /2 times; 3 channels, NHWC/,
    /float32 100 %/,
    /3 Conv/,
    /none beside it/,
  ])
    assert.match(lines, expected)
})

test('a file that its card does not describe is told apart from one that it does', async () => {
  const { dir } = await writeModel(home, { id: 'other', kind: 'network', uint8: false })
  const file = join(dir, 'card.json')
  const card = JSON.parse(await readFile(file, 'utf8')) as { scale: number; receptiveField: number; flopsPerPixel: number }
  await writeFile(file, JSON.stringify({ ...card, flopsPerPixel: 2 * 9 * (3 * 8 + 8 * 8 + 8 * 12) }))
  assert.equal((await inspect(join(dir, 'model.onnx'))).card!.agrees, true)
  await writeFile(file, JSON.stringify({ ...card, scale: 4, receptiveField: 7 }))
  const found = await inspect(join(dir, 'model.onnx'))
  assert.deepEqual(
    found.card!.checks.filter(({ agrees }) => agrees === false).map(({ what, card, file }) => [what, card, file]),
    [
      ['scale', '4', '2'],
      ['operations per pixel', '0', '3,312'],
      ['receptive field', '7', '3'],
    ],
  )
  assert.match(reportLines(found).join('\n'), /DISAGREES[\s\S]*card: 4; file: 2/)
})

test('no file, no ONNX file, no model', async () => {
  await assert.rejects(inspect(join(home, 'missing.onnx')), { code: 'no-input' })
  await writeFile(join(home, 'text.onnx'), 'text '.repeat(40))
  await assert.rejects(inspect(join(home, 'text.onnx')), { code: 'invalid-onnx' })
  await assert.rejects(inspect('fast-x5'), { code: 'unknown-model' })
})
