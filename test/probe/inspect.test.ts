import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { exportGraph } from '../../export/export.js'
import { serialize } from '../../export/onnx.js'
import { listModels } from '../../models/catalog.js'
import { networkFacts } from '../../nets/facts.js'
import { makeGenerator } from '../../nets/generator.js'
import { inspect } from '../../probe/inspect.js'
import { reportLines } from '../../probe/report.js'
import { randomizeWeights, tf } from '../export/compare.js'
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

test('a graph tells of every generator what its layers tell, but for parameters that are frozen or in norms', async () => {
  const untold: string[] = []
  for (const [i, [name, { config, scale }]] of Object.entries(SMALL_GENERATORS).entries()) {
    const model = makeGenerator(tf, config, scale, 1)
    randomizeWeights(model)
    const { dir, card } = await writeModel(home, { id: `generator-${i}`, graph: exportGraph(model), scale, uint8: false })
    await writeFile(join(dir, 'card.json'), JSON.stringify({ ...card, ...networkFacts(model) }))
    model.dispose()
    const found = await inspect(join(dir, 'model.onnx'))
    const { agrees, checks } = found.card!
    assert.ok(agrees, name)
    const unsure = checks.filter(check => check.agrees === null).map(({ what }) => what)
    if (unsure.length === 0) continue
    assert.deepEqual(unsure, ['parameters'])
    assert.match(reportLines(found).join('\n'), /not told +parameters \(card: [\d,]+\)/)
    untold.push(name)
  }
  assert.deepEqual(untold, ['srcnn ×2', 'srresnet ×4', 'msrresnet ×3', 'encoder-decoder ×3'])
})

test('a card that was made of a file has the number of parameters from it', async () => {
  const { dir, card } = await writeModel(home, { id: 'found', kind: 'network', uint8: false })
  const made = { file: 'x.onnx', sha256: card.model.sha256, architecture: 'x', network: {}, assumed: [] }
  const agreesWith = async (adopted: object) => {
    const training = { ...card.training, adopted: { ...made, ...adopted } }
    await writeFile(join(dir, 'card.json'), JSON.stringify({ ...card, parameters: 7, training }))
    return (await inspect(dir)).card!.checks.find(({ what }) => what === 'parameters')!.agrees
  }
  assert.deepEqual([await agreesWith({}), await agreesWith({ findings: [] })], [null, false])
})

test('what stands in a file makes no lines and steers no terminal', async () => {
  const file = join(home, 'steering.onnx')
  const graph = foreignGraph()
  const evil = 'x\x1b[31m\n  sha256  \x9b2J'
  const [input] = graph.inputs
  const nodes = graph.nodes.map(n => ({ ...n, inputs: n.inputs.map(name => (name === input!.name ? evil : name)) }))
  await writeFile(file, serialize({ ...graph, inputs: [{ ...input!, name: evil }], nodes, metadata: { [evil]: evil } }))
  const lines = reportLines(await inspect(file))
  for (const line of lines) assert.doesNotMatch(line, /\p{Cc}/u)
  assert.ok(lines.some(line => /^ {2}metadata +x\\x1b\[31m sha256 {2}\\x9b2J /.test(line)))
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
