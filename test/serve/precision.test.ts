import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { findOffered } from '../../serve/offered.js'
import { serve } from '../../serve/serve.js'
import { writeModel } from '../support/model.js'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-offered-'))
  await writeModel(folder, { id: 'full', kind: 'network' })
  await writeModel(folder, { id: 'small', kind: 'network', precisions: ['int8'] })
})
after(() => rm(folder, { recursive: true }))

test('models without a file of the precision are not offered, and it is told why', async () => {
  const ours = (models: { card: { id: string }; folder: string }[]) =>
    models.filter(model => model.folder.startsWith(folder)).map(({ card }) => card.id)
  const all = await findOffered({ modelPath: folder }, [])
  assert.deepEqual([ours(all.models).sort(), all.faults], [['full', 'small'], []])
  const { models, faults } = await findOffered({ modelPath: folder, precision: 'int8' }, [])
  assert.deepEqual(ours(models), ['small'])
  const fault = faults.find(fault => fault.model?.card.id === 'full')
  assert.deepEqual([fault?.error.code, fault?.error.param, fault?.error.got], ['invalid-option', 'precision', 'int8'])
})

test('a server that is asked for such a model by name, or for a precision that does not exist, does not start', async () => {
  await assert.rejects(serve({ port: 0, modelPath: folder, model: 'full', precision: 'int8' }), {
    code: 'invalid-option',
    param: 'precision',
  })
  await assert.rejects(serve({ port: 0, modelPath: folder, precision: 'int4' }), {
    code: 'invalid-option',
    param: 'precision',
    got: 'int4',
  })
})
