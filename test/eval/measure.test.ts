import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { meanOf, measureSet } from '../../eval/measure.js'
import { loadPair } from '../../eval/pairs.js'
import type { DataSet } from '../../eval/sets.js'
import type { Image } from '../../image/image.js'
import { psnrY, ssimY } from '../../image/metrics.js'
import { resize } from '../../image/resize.js'
import { encode } from '../../infer/encode.js'
import type { Engine } from '../../infer/engine.js'
import { startEngine } from '../../infer/engine.js'
import type { Model } from '../../models/catalog.js'
import { drawGrey, drawPhoto, fill } from '../support/draw.js'
import { writeModel } from '../support/model.js'

let root: string
let engine: Engine
let model: Model
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'uprez-measure-'))
  const { dir, card } = await writeModel(root, { kind: 'nearest', scale: 2 })
  model = { card, folder: dir }
  engine = await startEngine({ threads: 1 })
})
after(async () => {
  await engine.close()
  await rm(root, { recursive: true, force: true })
})

test('the scores are those of the whole pipeline: MATLAB reduction, the model, luma, the scale shaved', async () => {
  const photo = drawPhoto(61, 50)
  const set = await writeSet('scores', { 'a.png': photo })
  const { images } = await measureSet(set, { engine, model, scale: 2 })

  const high = cropped(photo, 60, 50)
  const low = resize(high, { width: 30, height: 25, kernel: 'bicubic' })
  const nearest = fill(60, 50, 3, (x, y) => [...low.data.subarray(((y >> 1) * 30 + (x >> 1)) * 3).subarray(0, 3)])
  const bicubic = resize(low, { width: 60, height: 50, kernel: 'bicubic' })
  const { width, height, figures } = images[0]!
  assert.deepEqual([width, height], [60, 50])
  assert.equal(figures.model.psnrY, psnrY(high, nearest, 2))
  assert.equal(figures.model.ssimY, ssimY(high, nearest, 2))
  assert.equal(figures.bicubic.psnrY, psnrY(high, bicubic, 2))
  assert.ok(figures.bicubic.psnrY > figures.model.psnrY)
  assert.ok(figures.model.seconds > 0)
})

test('a grey file scores as the same picture in RGB', async () => {
  const grey = drawGrey(48, 48)
  const colour = fill(48, 48, 3, (x, y) => Array(3).fill(grey.data[y * 48 + x]!))
  const set = await writeSet('grey', { 'grey.png': grey, 'rgb.png': colour })
  const { images, failures } = await measureSet(set, { engine, model, scale: 2 })
  assert.deepEqual(failures, [])
  const [a, b] = images.map(({ figures }) => [figures.bicubic.psnrY, figures.model.psnrY, figures.model.ssimY])
  assert.deepEqual(a, b)
})

test('the mean is over the pictures, the time over their pixels', async () => {
  const set = await writeSet('mean', { 'a.png': drawPhoto(40, 40, 1), 'b.png': drawPhoto(80, 60, 2) })
  const { images } = await measureSet(set, { engine, model, scale: 2 })
  const mean = meanOf(images, 'model')
  const [a, b] = images.map(image => image.figures.model)
  assert.equal(mean.psnrY, (a!.psnrY + b!.psnrY) / 2)
  assert.equal(mean.secondsPerMegapixel, (a!.seconds + b!.seconds) / (6400 / 1e6))
})

test('a picture that is damaged or too small is kept apart and the others are measured', async () => {
  const set = await writeSet('broken', { 'a.png': drawPhoto(40, 40), 'small.png': drawPhoto(14, 40) })
  await writeFile(join(set.folder, 'cut.png'), (await encode(drawPhoto(40, 40), 'png', undefined, {})).subarray(0, 2000))
  const { images, failures } = await measureSet({ ...set, files: ['a.png', 'cut.png', 'small.png'] }, { engine, model, scale: 2 })
  assert.deepEqual(
    images.map(image => image.file),
    ['a.png'],
  )
  assert.deepEqual(
    failures.map(({ file, error }) => [file, error.code]),
    [
      ['cut.png', 'broken-image'],
      ['small.png', 'broken-image'],
    ],
  )
})

test('another scale than the model’s is reached by the final resize and scored at its own size', async () => {
  const set = await writeSet('three', { 'a.png': drawPhoto(61, 61) })
  const { images, failures } = await measureSet(set, { engine, model, scale: 3 })
  assert.deepEqual(failures, [])
  assert.deepEqual([images[0]!.width, images[0]!.height], [60, 60])
})

test('the right and lower edge is what is cropped', async () => {
  const photo = drawPhoto(47, 46)
  const set = await writeSet('crop', { 'a.png': photo })
  const { high, low } = await loadPair(join(set.folder, 'a.png'), 4)
  assert.deepEqual(high, cropped(photo, 44, 44))
  assert.deepEqual([low.width, low.height], [11, 11])
})

async function writeSet(name: string, pictures: Record<string, Image>): Promise<DataSet> {
  const folder = join(root, 'sets', name)
  await mkdir(folder, { recursive: true })
  for (const [file, picture] of Object.entries(pictures)) await writeFile(join(folder, file), await encode(picture, 'png', undefined, {}))
  return { name, folder, files: Object.keys(pictures).sort() }
}

function cropped({ data, width: from }: Image, width: number, height: number): Image {
  return fill(width, height, 3, (x, y) => [...data.subarray((y * from + x) * 3, (y * from + x) * 3 + 3)])
}
