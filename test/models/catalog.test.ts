import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { servingFile } from '../../models/card.js'
import { findModel, listModels, readGraph } from '../../models/catalog.js'
import { writeModel } from '../support/model.js'

describe('the catalog', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'uprez-catalog-'))
    for (const [place, title] of [
      ['first', 'First'],
      ['second', 'Second'],
    ] as const) {
      await writeModel(join(folder, place), { id: 'both', title })
      await writeModel(join(folder, place), { id: `only-${place}` })
    }
  })
  after(() => rm(folder, { recursive: true }))
  beforeEach(() => {
    delete process.env.UPREZ_MODELS
  })

  it('knows the models of the package', async () => {
    const { card, folder } = await findModel('fast-x4')
    assert.equal(card.id, 'fast-x4')
    for (const graph of [card.model, ...Object.values(card.variants)]) {
      assert.equal((await readGraph({ card, folder }, graph)).length, graph.bytes)
    }
  })

  it('asks the given folder first, then those of UPREZ_MODELS in their order', async () => {
    process.env.UPREZ_MODELS = [join(folder, 'first'), join(folder, 'second')].join(delimiter)
    assert.equal((await findModel('both')).card.title, 'First')
    assert.equal((await findModel('both', { modelPath: join(folder, 'second') })).card.title, 'Second')
    assert.equal((await findModel('only-second')).folder, join(folder, 'second', 'only-second'))
    const ids = (await listModels()).map(model => model.card.id)
    assert.deepEqual(ids.slice(0, 3), ['both', 'only-first', 'only-second'])
    assert.ok(ids.includes('fast-x4'))
    assert.equal(ids.filter(id => id === 'both').length, 1)
  })

  it('takes the folder of one model, by path or as the folder to look in', async () => {
    const path = join(folder, 'first', 'both')
    assert.equal((await findModel(path)).card.title, 'First')
    assert.equal((await findModel(`${path}/card.json`)).folder, path)
    assert.equal((await findModel('both', { modelPath: path })).card.title, 'First')
    const renamed = join(folder, 'renamed')
    await cp(path, renamed, { recursive: true })
    assert.equal((await findModel('both', { modelPath: renamed })).folder, renamed)
  })

  it('names the nearest model, and all there are', async () => {
    await assert.rejects(findModel('fasst-x4'), {
      code: 'unknown-model',
      param: 'model',
      got: 'fasst-x4',
      message: /Did you mean fast-x4\?/,
    })
    await assert.rejects(findModel(''), { code: 'unknown-model' })
    await assert.rejects(findModel(join(folder, 'none')), { code: 'unknown-model' })
    await assert.rejects(findModel('both', { modelPath: join(folder, 'none') }), { code: 'unknown-model', param: 'modelPath' })
  })

  it('refuses a card that is no JSON, or has a field that it does not know', async () => {
    const { dir, card } = await writeModel(join(folder, 'bad'), { id: 'bad' })
    for (const [text, param] of [
      ['{', undefined],
      [JSON.stringify({ ...card, colour: 'red' }), '(root)'],
      [JSON.stringify({ ...card, scale: 'four' }), 'scale'],
    ] as const) {
      await writeFile(join(dir, 'card.json'), text)
      await assert.rejects(findModel(dir), { code: 'invalid-card', param })
    }
  })

  it('refuses a graph file that is not the one on the card, showing both sums', async () => {
    const { dir, card } = await writeModel(join(folder, 'changed'), { id: 'changed' })
    const graph = servingFile(card)
    const bytes = await readFile(join(dir, graph.file))
    await writeFile(join(dir, graph.file), Buffer.concat([bytes, Buffer.from([0])]))
    await assert.rejects(readGraph({ card, folder: dir }, graph), { code: 'model-mismatch', expected: graph.sha256, got: /^[0-9a-f]{64}$/ })
    await rm(join(dir, graph.file))
    await assert.rejects(readGraph({ card, folder: dir }, graph), { code: 'model-mismatch', got: 'ENOENT' })
  })
})
