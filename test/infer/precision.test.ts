import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readPrecision } from '../../infer/limits.js'
import { createUpscaler, type Precision } from '../../infer/upscaler.js'
import { findModel, readGraph } from '../../models/catalog.js'
import { openSession } from '../../probe/session.js'
import { drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'
import { pixelsOf, raw } from './pictures.js'

let folder: string
const photo = drawPhoto(40, 30)

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-precision-'))
  await writeModel(folder, { id: 'small', kind: 'network', depth: 5, channels: 16, precisions: ['fp16', 'int8'] })
  await writeModel(folder, { id: 'half', kind: 'network', precisions: ['fp16'] })
})
after(() => rm(folder, { recursive: true }))

async function upscaled(model: string, precision?: Precision): Promise<Uint8Array> {
  const up = await createUpscaler({ model, modelPath: folder, threads: 1, precision })
  const { data } = await up.upscale(await raw(photo).png().toBuffer())
  await up.close()
  return (await pixelsOf(data)).data
}

test('the file of the precision asked for is the one that runs', async () => {
  const model = await findModel('small', { modelPath: folder })
  const answers: Record<string, Uint8Array> = {}
  for (const [precision, variant] of [
    ['fp32', 'uint8'],
    ['fp16', 'fp16'],
    ['int8', 'int8'],
  ] as const) {
    const session = await openSession(await readGraph(model, model.card.variants[variant]!))
    answers[precision] = await session.runBytes(photo.data, [1, 30, 40, 3])
    await session.close()
    assert.deepEqual(await upscaled('small', precision), answers[precision])
  }
  assert.notDeepEqual(answers.int8, answers.fp32)
  assert.deepEqual(await upscaled('small'), answers.fp32)
})

test('a precision that a model does not have is refused before an engine starts, with those that it has', async () => {
  await assert.rejects(createUpscaler({ model: 'half', modelPath: folder, precision: 'int8' }), {
    code: 'invalid-option',
    param: 'precision',
    expected: 'one of fp32, fp16',
    message: /which the model half has/,
  })
  await assert.rejects(createUpscaler({ precision: 'int4' as Precision }), { code: 'invalid-option', param: 'precision' })
})

test('where nothing is asked for, UPREZ_PRECISION counts', () => {
  assert.deepEqual(
    [
      readPrecision(undefined, {}),
      readPrecision(undefined, { UPREZ_PRECISION: '' }),
      readPrecision(undefined, { UPREZ_PRECISION: 'int8' }),
    ],
    ['fp32', 'fp32', 'int8'],
  )
  assert.equal(readPrecision('fp16', { UPREZ_PRECISION: 'int8' }), 'fp16')
  assert.throws(() => readPrecision(undefined, { UPREZ_PRECISION: 'half' }), {
    code: 'invalid-option',
    param: 'UPREZ_PRECISION',
    got: 'half',
  })
})
